"""Writes ``scores.tar.xz``: results that the code of task version 1.1 wrote. Needs that code, and not this one.

    git worktree add /tmp/old ad5a6d1
    mkdir /tmp/made; cd /tmp/made
    PYTHONPATH=/tmp/old:/tmp/old/tests:/tmp/old/tests/pebench_tasks/judge python THIS_FILE

Everything is the harness's and that code's own but the answers: the models of ``golden_set.scripted_model`` answer by a
script, and a judge on localhost marks by length. ``llava``, whose answers are real, is untrained and was asked 24
questions of each task. Left out is what lmms-eval says of the machine.
"""

import json
import os
import tarfile
from pathlib import Path

from golden_set import judged, scored
from golden_set.commands import succeed

import pebench_tasks
from pebench_tasks.benchmark.reading import open_benchmark

BUILD = "pebench data build --source synthetic --people 4 --events 3 --image-size 32 --seed 0 --out data"
LLAVA = "pebench score models/llava --data data --target person event joint --limit 24 --output_path others"
LINK = "https://example.org/gd"
SUBMIT = f"pebench submit scores/gd --target person --name gd-person --link {LINK} --data data --out board"
MODELS = {"finetuned": "finetune", "gd": "gd", "goal": "goal"}
FOLDERS = ("goals", "scores", "others", "judged", "board")
OF_THE_MACHINE = ("git_hash", "git_branch", "lmms_eval_version", "date", "start_time", "end_time")


def build() -> None:
    """Draw the benchmark and score everybody, Goals first."""
    scored.FORGET = "forget05"
    succeed(BUILD)
    for target in ("event", "joint"):
        scored.score("goal", target, Path("goals", target), method="goal")
    for name, method in MODELS.items():
        for target in scored.TASKS:
            scored.score(name, target, Path("scores"), method=method, goal=Path("goals", target))
    scored.score("api", "person", Path("scores"))


def build_llava() -> None:
    """A model that really answers, through ``pebench_hf``."""
    from unlearn.protocol import tiny_model

    model, processor = tiny_model.build(open_benchmark(Path("data")), seed=0, image_size=32)
    for part in (model, processor):
        part.save_pretrained("models/llava")
    succeed(LLAVA)


def build_judged_and_submitted() -> None:
    """What a judge marked, and a submission of the format of that time."""
    judged.goldens()
    succeed(SUBMIT)


def tidy(file: Path) -> None:
    """Leave out what says where a results file was made."""
    text = file.read_text(encoding="utf-8")
    for place, name in ((Path.cwd(), "/home/somebody"), (Path(pebench_tasks.__file__).parents[1], "/opt/pebench")):
        text = text.replace(str(place), name)
    content = json.loads(text)
    for name in OF_THE_MACHINE:
        content.pop(name, None)
    file.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")


def pack() -> None:
    """Put everything into one file, each model's results in the order in which they were written."""
    files = sorted(file for folder in FOLDERS for file in Path(folder).rglob("*") if file.is_file())
    with tarfile.open(Path(__file__).with_name("scores.tar.xz"), "w:xz", preset=9) as archive:
        for file in files:
            if file.name.endswith("_results.json"):
                tidy(file)
            about = archive.gettarinfo(str(file))
            about.uid = about.gid = about.mtime = 0
            about.uname = about.gname = ""
            with file.open("rb") as opened:
                archive.addfile(about, opened)


if __name__ == "__main__":
    os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = str(Path("home").absolute())
    build()
    build_llava()
    build_judged_and_submitted()
    pack()
