"""What the environment asks for reaches the documents and the results file."""

import json
from pathlib import Path

import pytest
from harness_runs import EVERY_FIGURE, SHORT, MakeCheckpoint

from pebench_tasks import cli
from pebench_tasks.benchmark.known_figures import load_known
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.results.public_figures import find_known, write_known


@pytest.mark.parametrize("name", ["PEBENCH_RETAIN", "PEBENCH_WORLD"])
def test_a_subset_is_fixed_or_all(benchmark: Benchmark, name: str) -> None:
    data = {"PEBENCH_DATA": str(benchmark.directory)}
    with pytest.raises(BenchmarkError, match=f"{name} is 'some'; it is either"):
        choose({**data, name: "some"})


def test_a_request_is_a_part_of_the_forget_set_by_option_or_in_its_name(benchmark: Benchmark) -> None:
    data = {"PEBENCH_DATA": str(benchmark.directory)}
    for more in ({"PEBENCH_FORGET": "20", "PEBENCH_REQUEST": "2/4"}, {"PEBENCH_FORGET": "forget20:2/4"}):
        assert choose({**data, **more}).forget == "forget20:2/4"
    with pytest.raises(BenchmarkError, match=r"There is no request '5/4'\. Say which of how many, such as 2/4\."):
        choose({**data, "PEBENCH_REQUEST": "5/4"})
    with pytest.raises(BenchmarkError, match=r"forgets too few people \(1\) for 2 requests"):
        evaluate(["/no/model"], data=benchmark.directory, forget=20, request="1/2", targets=["person"])


def test_an_unknown_judge_is_refused_before_anything_runs(benchmark: Benchmark, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="There is no judge 'human'"):
        evaluate(["/no/model"], data=benchmark.directory, judge="human", output_path=tmp_path)


def test_only_the_fixed_world_questions_are_asked_unless_all_are(benchmark: Benchmark) -> None:
    rows = [{**row, "fixed": place % 2 == 0} for place, row in enumerate(benchmark.world)]
    tables = {name: getattr(benchmark, name) for name in ("people", "events", "images", "real")}
    halved = Benchmark(benchmark.directory, benchmark.manifest, tables | {"world": []})
    halved.world = rows

    def asked(**environment: str) -> set[str]:
        found = choose({"PEBENCH_DATA": str(benchmark.directory), **environment}).documents(halved, "person")
        return {document["key"] for document in found if document["slice"] == "world"}

    evaluated = [row for row in rows if row["part"] == "eval"]
    assert asked() == {row["question_key"] for row in evaluated if row["fixed"]}
    assert asked(PEBENCH_WORLD="all") == {row["question_key"] for row in evaluated}


@pytest.fixture(scope="module")
def known(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A list that the command would write for a base model that knows one picture, and that picture's key."""
    out = tmp_path_factory.mktemp("known")
    base = make_checkpoint("base", seed=3, method="pretrain", base="b" * 16, weights="b" * 16)
    (result,) = evaluate(
        [base], data=benchmark.directory, targets=["person"], output_path=out, **SHORT | {"limit": EVERY_FIGURE}
    )
    rows = [json.loads(line) for line in result.samples_file.open()]
    first = next(row for row in rows if row["provenance"]["slice"] == "real")
    first["real"] = 100.0
    result.samples_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_known(find_known(result.results_file.parent), out / "known.json")
    return out / "known.json", first["provenance"]["key"].removesuffix("/name")


def test_only_figures_on_the_list_count_as_real(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, known: tuple[Path, str], tmp_path: Path
) -> None:
    model = make_checkpoint("model", seed=4, method="ga", target="person", forget="forget05")
    results = evaluate([model], data=benchmark.directory, real_known=known[0], output_path=tmp_path, **SHORT)
    for result, kind in zip(results, ("name", "scene"), strict=True):
        asked = [json.loads(line)["provenance"] for line in result.samples_file.open()]
        assert [row["key"] for row in asked if row["slice"] == "real"] == [f"{known[1]}/{kind}"]
        which = result.provenance.real_documents
        assert isinstance(which, dict)
        assert (which["list"], which["known"]) == (load_known(known[0], benchmark).fingerprint, 1)
    assert cli.main(["rescore", str(results[0].results_file)]) == 0


def test_a_list_of_another_base_is_refused(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, known: tuple[Path, str], tmp_path: Path
) -> None:
    other = make_checkpoint("other", seed=5, method="ga", target="person", forget="forget05", base="c" * 16)
    with pytest.raises(BenchmarkError, match=r"foundation model b{16} knew, but .*other comes from c{16}"):
        evaluate([other], data=benchmark.directory, real_known=known[0], output_path=tmp_path, device="cpu")
