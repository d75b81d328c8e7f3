"""The Python API: what a notebook calls, from checkpoints to a table."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness_runs import SHORT, MakeCheckpoint

import pebench_tasks
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results.files import Result


@pytest.fixture(scope="module")
def results(
    benchmark: Benchmark, llava: Path, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory
) -> list[Result]:
    """Two checkpoints, scored on people."""
    checkpoints = [llava, make_checkpoint("second", seed=1, method="gd", target="person", forget="forget05")]
    options = {"data": benchmark.directory, **SHORT}
    return pebench_tasks.evaluate(
        checkpoints, targets=["person"], output_path=tmp_path_factory.mktemp("scores"), **options
    )


def test_importing_it_loads_nothing_heavy_and_every_name_is_there_when_asked_for() -> None:
    code = (
        "import sys, pebench_tasks, unlearn\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'numpy', 'lmms_eval', 'PIL', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), set(pebench_tasks.__all__) <= set(dir(pebench_tasks)))\n"
        "print(all(callable(getattr(pebench_tasks, name)) for name in pebench_tasks.__all__), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "[] True\nTrue False\n"


def test_a_name_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="'pebench_tasks' has no attribute 'evaluat'"):
        pebench_tasks.evaluat  # noqa: B018


def test_a_table_has_a_row_a_model_and_figure_with_its_interval(results: list[Result]) -> None:
    rows = pebench_tasks.table(results).to_pylist()
    assert {(row["model"], row["method"]) for row in rows} == {
        (result.checkpoint, method) for result, method in zip(results, ["", "gd"], strict=True)
    }
    for result in results:
        mine = {row["figure"]: row for row in rows if row["model"] == result.checkpoint}
        assert {name: row["value"] for name, row in mine.items()} == {n: result.metrics[n] for n in mine}
        assert mine["real"]["unit"] == "percent"
        assert mine["real"]["n"] > 0
        assert mine["real"]["partial"] is None
        assert mine["efficacy"]["partial"] == result.provenance.slices["efficacy"]["partial"]
        assert mine["real"]["low"] is None or mine["real"]["low"] <= mine["real"]["value"] <= mine["real"]["high"]


def test_paths_give_the_same_table_as_results_and_make_a_data_frame(results: list[Result]) -> None:
    folders = [result.results_file.parent for result in results]
    assert pebench_tasks.table(folders).equals(pebench_tasks.table(results))
    assert pebench_tasks.table(str(folders[0].parent)).num_rows == pebench_tasks.table(results).num_rows
    assert (
        pebench_tasks.table(pebench_tasks.rescore(folders)).drop("low").equals(pebench_tasks.table(results).drop("low"))
    )
    assert pebench_tasks.table([]).num_rows == 0
    frame = pebench_tasks.table(results).to_pandas()
    assert frame.pivot(index="figure", columns="model", values="value").notna().all(axis=None)
    with pytest.raises(BenchmarkError):
        pebench_tasks.table([folders[0] / "nowhere"])


def test_results_are_rescored_compared_and_reported(results: list[Result], tmp_path: Path) -> None:
    folders = [result.results_file.parent for result in results]
    again = pebench_tasks.rescore(folders)
    assert [one.differing for one in again] == [[], []]
    assert [one.result.metrics for one in again] == [result.metrics for result in results]
    (comparison,) = pebench_tasks.compare(folders)
    assert (comparison.first, comparison.second) == ("llava", "second")
    assert pebench_tasks.report(folders, tmp_path / "report").is_file()


def test_a_benchmark_is_drawn_and_opened(tmp_path: Path) -> None:
    drawn = pebench_tasks.build_synthetic(str(tmp_path / "bench"), people=4, events=3, image_size=32, seed=0)
    assert pebench_tasks.open_benchmark(tmp_path / "bench").fingerprint == drawn.fingerprint
