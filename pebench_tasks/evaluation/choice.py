"""What a run is asked to measure, read from the environment: lmms-eval hands nothing else to a task."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pebench_tasks.benchmark.choosing import choose_benchmark
from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.known_figures import Known, load_known
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.judge import Judge, choose_judge

DEFAULT_FORGET = "forget05"

_judge: tuple[dict[str, str], Judge | None] | None = None


@dataclass(frozen=True)
class Choice:
    """The data and how they were chosen, the forget set, Goal responses, and which documents are asked."""

    directory: Path
    reason: str
    forget: str
    goal: Path | None
    retain_all: bool
    world_all: bool
    known: Path | None  # the list of public figures that the base model knew
    judge: Judge | None  # None: scenes are marked lexically

    def known_figures(self, benchmark: Benchmark) -> Known | None:
        """The list of public figures to ask about, checked against the benchmark; None for all."""
        return None if self.known is None else load_known(self.known, benchmark)

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
        subset = {True: "all", False: "the fixed subset"}
        return {
            "retain_documents": subset[self.retain_all],
            "world_documents": subset[self.world_all],
            "real_documents": "all"
            if known is None
            else {"list": known.fingerprint, "known": len(known.keys), "asked": known.asked, "base": known.base},
        }


def choose(environ: Mapping[str, str] = os.environ) -> Choice:
    """The choice that the environment makes; ``BenchmarkError`` for one that cannot be made."""
    every = {}
    for name in ("PEBENCH_RETAIN", "PEBENCH_WORLD"):
        if (value := environ.get(name, "")) not in ("", "all"):
            raise BenchmarkError(f'{name} is {value!r}; it is either "all" or not set.')
        every[name] = value == "all"
    directory, reason = choose_benchmark()
    return Choice(
        directory,
        reason,
        environ.get("PEBENCH_FORGET") or DEFAULT_FORGET,
        _path(environ, "PEBENCH_GOAL"),
        every["PEBENCH_RETAIN"],
        every["PEBENCH_WORLD"],
        _path(environ, "PEBENCH_REAL"),
        _judge_of(environ),
    )


def _judge_of(environ: Mapping[str, str]) -> Judge | None:
    """The judge that the environment chooses: one for all models of a command, since its budget is the command's."""
    global _judge
    asked = {name: value for name, value in environ.items() if "JUDGE" in name or name.startswith("OPENAI_")}
    if _judge is None or _judge[0] != asked:
        forget_judge()
        _judge = asked, choose_judge(environ)
    return _judge[1]


def forget_judge() -> None:
    """Let the next command begin with a budget of its own."""
    global _judge
    if _judge is not None and _judge[1] is not None:
        _judge[1].close()
    _judge = None


def _path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value).expanduser() if value else None
