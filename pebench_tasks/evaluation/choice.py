"""What a run is asked to measure, as one value.

``choose`` makes it from variables: those of the environment, for lmms-eval hands nothing else to a task, or a program's
own in front of them. Nobody else reads a ``PEBENCH_`` variable during a run.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pebench_tasks.attacks import QUESTION_ATTACKS
from pebench_tasks.benchmark.choosing import choose_benchmark
from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.known_figures import Known, load_known
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import forget_set_name
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.embedding import Embedding, Meaning, choose_embedding
from pebench_tasks.judge.judge import Judge, choose_judge
from pebench_tasks.marking.similarity import LEXICAL
from pebench_tasks.results.goals import check_folder

DEFAULT_FORGET = "forget05"
ALL, FIXED_SUBSET = "all", "the fixed subset"  # which documents were asked, as results say it


@dataclass(frozen=True)
class Choice:
    """The data and how they were chosen, the forget set, Goal responses, and which documents are asked."""

    directory: Path
    reason: str
    forget: str  # "forget20", or one request of it, "forget20:2/4"
    forget_chosen: bool  # false: nobody named one
    goal: Path | None
    retain_all: bool
    world_all: bool
    known: Path | None  # the list of public figures that the base model knew
    checkpoint: Path | None  # whose run record describes the model of another backend
    judge: Judge | None  # None: a similarity marks the scenes; its budget is that of the whole command
    embedding: Embedding | None = None  # that similarity; None: by words
    attacks: tuple[str, ...] = ()  # those that the robust tasks ask; none: all
    joint: bool = False  # the robust tasks ask what is forgotten where people and events are forgotten at once

    def check_places(self, target: str = "event") -> None:
        """Raise ``BenchmarkError`` for a chosen place that is none, whether what is asked needs it or not.

        What a variable names is meant: one that leads nowhere is a slip that would show only in the next command.
        """
        if self.goal is not None:
            check_folder(self.goal, target)
        if self.checkpoint is not None and not self.checkpoint.is_dir():
            raise BenchmarkError(f"There is no folder {self.checkpoint} of a checkpoint (PEBENCH_CHECKPOINT).")

    def known_figures(self, benchmark: Benchmark) -> Known | None:
        """The list of public figures to ask about, checked against the benchmark; None for all."""
        return None if self.known is None else load_known(self.known, benchmark)

    @property
    def marked_by(self) -> str:
        """The fingerprint of what marks scenes."""
        chosen = self.judge or self.embedding
        return chosen.fingerprint if chosen else LEXICAL

    def meaning(self, benchmark: Benchmark) -> Meaning | None:
        """How the meanings of texts about the benchmark's scenes are compared; None where words are."""
        scenes = [row["description"] for row in benchmark.events]
        return None if self.embedding is None else self.embedding.about(scenes)

    def marking_facts(self, benchmark: Benchmark) -> dict[str, Any] | None:
        """What marks scenes, for the results file; None where words are compared."""
        if self.judge is not None:
            return self.judge.facts()
        return None if self.embedding is None else self.embedding.facts(benchmark.events)

    def documents(self, benchmark: Benchmark, target: str) -> list[Document]:
        """What is asked for one target."""
        known = self.known_figures(benchmark)
        return documents(
            benchmark,
            target,
            self.forget,
            retain_all=self.retain_all,
            world_all=self.world_all,
            known=None if known is None else known.keys,
        )

    def record(self, benchmark: Benchmark) -> dict[str, Any]:
        """Which documents were asked, for the results file."""
        known = self.known_figures(benchmark)
        subset = {True: ALL, False: FIXED_SUBSET}
        return {
            "retain_documents": subset[self.retain_all],
            "world_documents": subset[self.world_all],
            "real_documents": ALL
            if known is None
            else {"list": known.fingerprint, "known": len(known.keys), "asked": known.asked, "base": known.base},
        }


def choose(variables: Mapping[str, str] = os.environ) -> Choice:
    """The choice that ``variables`` make; ``BenchmarkError`` for one that cannot be made."""
    every = {}
    for name in ("PEBENCH_RETAIN", "PEBENCH_WORLD"):
        if (value := variables.get(name, "")) not in ("", ALL):
            raise BenchmarkError(f'{name} is {value!r}; it is either "all" or not set.')
        every[name] = value == ALL
    directory, reason = choose_benchmark(variables)
    return Choice(
        directory=directory,
        reason=reason,
        forget=forget_set_name(variables.get("PEBENCH_FORGET") or DEFAULT_FORGET, variables.get("PEBENCH_REQUEST", "")),
        forget_chosen=bool(variables.get("PEBENCH_FORGET")),
        goal=_path(variables, "PEBENCH_GOAL"),
        retain_all=every["PEBENCH_RETAIN"],
        world_all=every["PEBENCH_WORLD"],
        known=_path(variables, "PEBENCH_REAL"),
        checkpoint=_path(variables, "PEBENCH_CHECKPOINT"),
        judge=choose_judge(variables),
        embedding=choose_embedding(variables),
        attacks=_attacks(variables.get("PEBENCH_ATTACKS", "")),
        joint=_is_joint(variables.get("PEBENCH_TARGET", "")),
    )


def _is_joint(target: str) -> bool:
    if target not in ("", "joint"):
        raise BenchmarkError(f'PEBENCH_TARGET is {target!r}; it is either "joint" or not set.')
    return target == "joint"


def _attacks(names: str) -> tuple[str, ...]:
    """The attacks in a list of names with commas, in the order of the registry; "" and "all" stand for every one."""
    wanted = {name.strip() for name in names.split(",")} - {"", ALL}
    if unknown := sorted(wanted - QUESTION_ATTACKS.keys()):
        raise BenchmarkError(
            f"PEBENCH_ATTACKS (--attacks): there is no attack {unknown[0]!r}. Known: {', '.join(QUESTION_ATTACKS)}; "
            f"{ALL} for every one."
        )
    return tuple(name for name in QUESTION_ATTACKS if name in wanted)


def _path(variables: Mapping[str, str], name: str) -> Path | None:
    value = variables.get(name)
    return Path(value).expanduser() if value else None
