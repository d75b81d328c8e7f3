"""The programs in ``examples`` run as they are, on a real tiny model: a method of one's own, its scores, a notebook."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pebench_tasks.benchmark.reading import Benchmark

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"


class Ran(NamedTuple):
    """What the two programs left below a folder, and what the second one printed."""

    folder: Path
    checkpoint: Path
    printed: str


def run(program: str, *words: str | Path, folder: Path) -> str:
    """What a program printed; it sees none of the user's choices and no hub."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PEBENCH_", "OPENAI_"))}
    environment |= {
        "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_CONFIG_HOME": str(folder / "config"),
        "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, EXAMPLES / program, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def ran(benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """An untrained model, unlearned for two steps by the method of the example, then scored by the other one."""
    from unlearn.protocol import tiny_model

    folder = tmp_path_factory.mktemp("examples")
    model, processor = tiny_model.build(benchmark, seed=0, image_size=32)
    model.save_pretrained(folder / "base")
    processor.save_pretrained(folder / "base")
    asked = ("--data", benchmark.directory, "--forget", "20")
    run(
        "write_a_method.py", "--model", folder / "base", *asked, "--target", "person", "--config", "tiny/gd_person",
        "--ceiling", "4", "--max_steps", "2", "--output_dir", folder / "bounded", folder=folder,
    )  # fmt: skip
    printed = run(
        "score_a_checkpoint.py", folder / "bounded", *asked, "--limit", "12", "--out", "runs/demo/scores", folder=folder
    )
    return Ran(folder, folder / "bounded", printed)


def test_a_method_from_outside_trains_with_its_own_option(ran: Ran) -> None:
    record = json.loads((ran.checkpoint / "pebench_run.json").read_text(encoding="utf-8"))
    assert record["method"] == "bounded"
    assert record["arguments"]["ceiling"] == 4
    assert record["steps"] == 2
    assert set(record["losses"][0]) >= {"forget", "retain"}


def test_a_checkpoint_s_figures_are_printed_with_what_they_were_made_for(ran: Ran) -> None:
    lines = [line.split() for line in ran.printed.splitlines()]
    assert {line[1] for line in lines if line[0] == "person"} >= {"efficacy", "retain", "world"}
    assert not any(line[0] == "event" for line in lines)


def test_the_notebook_reads_them_and_plots(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cells in their order, in the folder in which the demo would have left its scores."""
    monkeypatch.chdir(ran.folder)
    names: dict[str, Any] = {}
    cells = json.loads((EXAMPLES / "read_results.ipynb").read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"read_results.ipynb, cell {number}", "exec"), names)
    assert set(names["frame"]["model"]) == {"bounded"}
    assert names["frame"]["value"].between(0, 100).all()
    assert "vega" in Path("figures.html").read_text(encoding="utf-8")
