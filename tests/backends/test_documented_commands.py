"""lmms-eval's commands in the README and the documentation, run as they stand, on tiny checkpoints in others' place."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from documented import PAGES, README, ROOT, blocks, commands, variables
from model_server import ModelServer

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.session import session

UNPROVEN = {"vllm", "sglang"}  # which need a GPU, and other versions of transformers
BRIEF = "--limit 8 --gen_kwargs max_new_tokens=12 --device cpu --verbosity ERROR"  # a tiny model never ends its answers
TINY = {"min_pixels": "4096", "max_pixels": "4096"}  # what the tiny Qwen2.5-VL was built with
ON_CPU = {"llava_hf": "cpu", "qwen2_5_vl": "cpu"}  # the --model that also have a device_map
NEXT = {"robust": "Beside Finetuned's and Goal's:  pebench robustness ", "likelihood": ""}  # by what a task ends in
REPORT = "Look at figures and answers:  pebench report "


def shells() -> Iterator[Any]:
    """The blocks of code with such commands, but those of backends that cannot be here."""
    for page in PAGES:
        for code in (code for language in ("bash", "") for code in blocks(page, language) if "lmms-eval --" in code):
            models = [options(command.words)["model"] for command in commands(code) if command.words[0] == "lmms-eval"]
            if models and not UNPROVEN.issuperset(models):
                yield pytest.param(code, id=f"{page.relative_to(ROOT)}-{'-'.join(models)}")


def options(words: list[str]) -> dict[str, str]:
    """What follows each ``--name``."""
    names = [i for i, word in enumerate(words) if word.startswith("--")]
    return {words[i].removeprefix("--"): (words[i + 1 : i + 2] or [""])[0] for i in names}


@pytest.fixture
def stand_in(
    small: Benchmark, untrained: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], None]:
    """Puts a tiny checkpoint of a backend's family where a command expects one, below a new current folder."""
    monkeypatch.chdir(tmp_path)

    def make(name: str, backend: str) -> None:
        if Path(name).exists():
            return
        shutil.copytree(untrained("qwen2_5_vl" if "qwen" in backend else "llava"), name)
        forget = os.environ.get("PEBENCH_FORGET", "forget05")
        target = "event" if "event" in name else "person"
        record = {
            "format": "pebench-run/1", "method": "goal" if "goal" in name else "gd", "target": target, "forget": forget,
            "seed": 0, "base": "b" * 16, "weights": "0" * 16, "data": small.fingerprint, "template": "t" * 16,
            "split": small.split(target, int(forget.removeprefix("forget"))).split_id,
        }  # fmt: skip
        Path(name, "pebench_run.json").write_text(json.dumps(record), encoding="utf-8")

    return make


@pytest.fixture
def lmms_eval(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[list[str]], None]]:
    """The harness's command in this process, without its own tasks, which take it seconds to read."""
    from lmms_eval import __main__ as program
    from lmms_eval.tasks import TaskManager
    from loguru import logger

    monkeypatch.setattr(program, "TaskManager", partial(TaskManager, include_defaults=False))
    monkeypatch.setenv("VERBOSITY", "ERROR")  # which it sets

    def run(words: list[str]) -> None:
        session.close()
        monkeypatch.setattr(sys, "argv", words)
        program.cli_evaluate()

    yield run
    logger.remove()  # it logs to the output of a test that is over


@pytest.mark.parametrize("shell", [*shells()])
def test_a_block_of_commands_answers_and_writes_all_that_follows_needs(
    shell: str,
    small: Benchmark,
    stand_in: Callable[[str, str], None],
    lmms_eval: Callable[[list[str]], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PEBENCH_DATA", "published")  # which the pages name before
    with ModelServer(lambda server, asked: (200, "A person in a scene.")) as server:
        for variables_before, words in commands(shell):
            if words[0] == "export":
                for name, value in variables(words[1:]).items():
                    monkeypatch.setenv(name, server.address if name == "OPENAI_API_BASE" else value)
            if words[0] == "lmms-eval":
                with pytest.MonkeyPatch.context() as alone:
                    for name, value in variables_before.items():
                        alone.setenv(name, value)
                    data = Path(os.environ["PEBENCH_DATA"])
                    data.parent.mkdir(parents=True, exist_ok=True)
                    if not data.exists():
                        data.symlink_to(small.directory)
                    lmms_eval(with_stand_ins(words, stand_in))
                check(options(words), capsys.readouterr().out)


def with_stand_ins(words: list[str], stand_in: Callable[[str, str], None]) -> list[str]:
    """The words of a command for tiny checkpoints on a CPU."""
    asked = options(words)
    arguments = variables(asked["model_args"].split(","))
    for name in filter(None, (arguments.get("pretrained"), os.environ.get("PEBENCH_CHECKPOINT"))):
        stand_in(name, asked["model"])
    changed = {name: TINY.get(name, value) for name, value in arguments.items()}
    if asked["model"] in ON_CPU:
        changed["device_map"] = ON_CPU[asked["model"]]
    told = ",".join(f"{name}={value}" for name, value in changed.items())
    place = words.index(asked["model_args"])
    return [*words[:place], told, *words[place + 1 :], *BRIEF.split()]


def check(asked: dict[str, str], printed: str) -> None:
    """Every task has figures and answers, none is of a failed backend, and the next step is said."""
    assert NEXT.get(asked["tasks"].rpartition("_")[2], REPORT) in printed
    newest = max(Path(asked["output_path"]).glob("*/*_results.json"), key=lambda path: path.stat().st_mtime_ns)
    results = json.loads(newest.read_text(encoding="utf-8"))["results"]
    both = "pebench_people,pebench_events"
    named = {"pebench": both, "pebench_likelihood": both.replace(",", "_likelihood,") + "_likelihood"}
    tasks = named.get(asked["tasks"], asked["tasks"]).split(",")
    assert set(results) == set(tasks)
    for task in tasks:
        said = results[task]["provenance,none"]
        assert not any(said.get(sign) for sign in ("withheld", "mostly_empty", "mostly_echoed", "unanswered")), task
        if size := said.get("image_size"):
            assert size["made"] == size["own"]
        samples = newest.with_name(newest.name.replace("results.json", f"samples_{task}.jsonl"))
        asked_for = 6 if task == "pebench_events_likelihood" else 8  # of which there are no more
        assert len(samples.read_text(encoding="utf-8").splitlines()) == asked_for


def test_what_cannot_be_run_is_named_as_not_proven() -> None:
    named = {
        options(command.words)["model"]
        for page in PAGES
        for code in blocks(page, "bash")
        for command in commands(code)
        if command.words[0] == "lmms-eval"
    }
    assert named >= UNPROVEN
    (row,) = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| backends |")]
    assert set(row.split("|")[3].strip().replace("`", "").split(", ")) == UNPROVEN
