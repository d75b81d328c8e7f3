"""The list of public figures that a base model knew: made from logged samples, checked when it is used."""

import json
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import pytest
from harness_runs import EVERY_FIGURE, SHORT, MakeCheckpoint

from pebench_tasks.benchmark.known_figures import load_known
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.cli.real import add_arguments, main
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.results.public_figures import find_known, write_known


@pytest.fixture(scope="module")
def scored(make_checkpoint: MakeCheckpoint, benchmark: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a model that knows nobody, on both targets that ask for public figures' names."""
    checkpoint = make_checkpoint("nobody", method="pretrain", base="ba5e" * 4, weights="ca11" * 4)
    out = tmp_path_factory.mktemp("results")
    both = ["person", "joint"]
    evaluate([checkpoint], data=benchmark.directory, targets=both, output_path=out, **SHORT | {"limit": EVERY_FIGURE})
    return out / "nobody"


def figures(benchmark: Benchmark) -> list[str]:
    return sorted(row["key"] for row in benchmark.real if row["part"] == "eval")


@pytest.fixture
def knows_three(scored: Path, benchmark: Benchmark, tmp_path: Path) -> Path:
    """The same results, with three public figures named rightly on either target."""
    folder = tmp_path / "knows_three"
    shutil.copytree(scored, folder)
    for file in folder.glob("*_samples_*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            if row["provenance"]["key"].removesuffix("/name") in figures(benchmark)[:3]:
                row[row["provenance"]["slice"]] = 100.0
        file.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return folder


def edited(file: Path, **change: Any) -> Path:
    """The list with some values changed, and a fingerprint that fits them."""
    from pebench_tasks.benchmark.known_figures import fingerprint

    content = json.loads(file.read_text()) | change
    del content["fingerprint"]
    file.write_text(json.dumps(content | {"fingerprint": fingerprint(content)}))
    return file


def test_the_list_holds_the_images_whose_figure_was_named(knows_three: Path, benchmark: Benchmark) -> None:
    content = find_known(knows_three)
    assert content["known"] == figures(benchmark)[:3]
    assert content["asked"] == len(figures(benchmark))
    assert content["data"] == benchmark.fingerprint
    assert (content["base"], content["weights"], content["model"]) == ("ba5e" * 4, "ca11" * 4, "nobody")
    assert content["format"] == "pebench-known/1"


def test_the_joint_target_gives_the_same_list_where_the_people_were_not_scored(knows_three: Path) -> None:
    both = find_known(knows_three)
    for file in knows_three.glob("*pebench_people.jsonl"):
        file.unlink()
    assert find_known(knows_three) == both


def test_a_list_that_was_written_is_read_back(knows_three: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    content = find_known(knows_three)
    write_known(content, tmp_path / "lists" / "known.json")
    known = load_known(tmp_path / "lists" / "known.json", benchmark)
    assert known.keys == set(figures(benchmark)[:3])
    assert (known.fingerprint, known.base, known.asked) == (content["fingerprint"], "ba5e" * 4, content["asked"])
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["known.json"]


def test_the_same_results_give_the_same_bytes_wherever_they_lie(knows_three: Path, tmp_path: Path) -> None:
    shutil.copytree(knows_three, tmp_path / "elsewhere")
    for name, folder in (("a", knows_three), ("b", tmp_path / "elsewhere")):
        write_known(find_known(folder), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_only_the_figures_on_the_list_are_asked(knows_three: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    from pebench_tasks.benchmark.documents import documents

    write_known(find_known(knows_three), tmp_path / "known.json")
    known = load_known(tmp_path / "known.json", benchmark)
    for target, slices in {"person": ["real"], "event": ["real"], "joint": ["person_real", "event_real"]}.items():
        asked = documents(benchmark, target, 5, known=known.keys)
        for name in slices:
            assert sorted(row["image"] for row in asked if row["slice"] == name) == figures(benchmark)[:3]


def test_a_model_that_knew_nobody_makes_an_empty_list_that_cannot_be_used(
    scored: Path, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = Namespace(results=scored, out=tmp_path / "known.json")
    assert main(arguments) == 0
    assert "This model knew nobody" in capsys.readouterr().out
    with pytest.raises(BenchmarkError, match=r"named none of \d+ images, so Real carries no meaning"):
        load_known(tmp_path / "known.json", benchmark)


def test_a_list_for_other_data_is_refused(knows_three: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    write_known(find_known(knows_three), tmp_path / "known.json")
    with pytest.raises(BenchmarkError, match="was made with the benchmark 0123456789abcdef, this one is"):
        load_known(edited(tmp_path / "known.json", data="0123456789abcdef"), benchmark)


def test_a_list_of_some_of_the_figures_is_refused(knows_three: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    write_known(find_known(knows_three), tmp_path / "known.json")
    with pytest.raises(BenchmarkError, match=r"comes from 4 of \d+ images \(--limit\?\)"):
        load_known(edited(tmp_path / "known.json", asked=4), benchmark)


def test_an_unknown_figure_is_refused(knows_three: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    write_known(find_known(knows_three), tmp_path / "known.json")
    with pytest.raises(BenchmarkError, match="lists real/9999, which the benchmark does not have"):
        load_known(edited(tmp_path / "known.json", known=["real/9999"]), benchmark)


def test_an_edited_list_is_refused(knows_three: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    content = find_known(knows_three)
    write_known(content | {"known": content["known"][:1]}, tmp_path / "known.json")
    with pytest.raises(BenchmarkError, match="was changed after it was written"):
        load_known(tmp_path / "known.json", benchmark)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no list of known figures"),
        ("{", "is no list of known figures, or damaged"),
        ("[]", "is no list of known figures, or damaged"),
        ('{"format": "pebench-known/1"}', "is no list of known figures, or damaged"),
        ('{"format": "pebench-known/2"}', "has the format 'pebench-known/2'; this version reads 'pebench-known/1'"),
    ],
)
def test_a_file_that_is_no_list_is_refused(
    tmp_path: Path, benchmark: Benchmark, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "known.json").write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        load_known(tmp_path / "known.json", benchmark)


def test_results_of_events_alone_name_no_figures(scored: Path, tmp_path: Path) -> None:
    (samples,) = scored.glob("*_samples_pebench_people.jsonl")
    (results,) = scored.glob("*_results.json")
    other = json.loads(results.read_text().replace("pebench_people", "pebench_events"))
    del other["results"]["pebench_joint"]
    (tmp_path / results.name).write_text(json.dumps(other))
    shutil.copy(samples, tmp_path / samples.name.replace("pebench_people", "pebench_events"))
    with pytest.raises(
        BenchmarkError, match=r"holds no names of public figures\. Score the model with --target person"
    ):
        find_known(tmp_path)


def test_withheld_scores_and_answers_to_a_list_make_no_list(knows_three: Path) -> None:
    (results,) = knows_three.glob("*_results.json")
    content = json.loads(results.read_text())
    content["results"]["pebench_people"]["provenance,none"]["real_documents"] = {"list": "0123"}
    results.write_text(json.dumps(content))
    with pytest.raises(BenchmarkError, match="asked only the figures of a list"):
        find_known(knows_three)
    content["results"]["pebench_people"]["provenance,none"]["real_documents"] = "all"
    results.write_text(json.dumps(content))
    (samples,) = knows_three.glob("*pebench_people.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    for row in rows:
        row["provenance"]["withheld"] = "Two processes."
    samples.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    with pytest.raises(BenchmarkError, match=r"are withheld: Two processes\."):
        find_known(knows_three)


def test_the_command_says_how_many_are_known_and_where_the_list_is(
    knows_three: Path, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ArgumentParser()
    add_arguments(parser)
    out = tmp_path / "known.json"
    assert main(parser.parse_args([str(knows_three), "--out", str(out)])) == 0
    assert f"3 of {len(figures(benchmark))} known to nobody; the list is in {out}" in capsys.readouterr().out
    assert load_known(out, benchmark).keys == set(figures(benchmark)[:3])


def test_its_options_import_nothing_heavy() -> None:
    code = (
        "import sys, argparse; from pebench_tasks.cli import real; real.add_arguments(argparse.ArgumentParser()); "
        "heavy = {'torch', 'pyarrow', 'numpy', 'datasets', 'transformers', 'lmms_eval', 'PIL'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_model_that_has_unlearned_says_nothing_about_what_was_known_before(knows_three: Path, tmp_path: Path) -> None:
    for file in knows_three.glob("*_results.json"):
        content = json.loads(file.read_text())
        for values in content["results"].values():
            values["provenance,none"]["model"]["method"] = "gd"
        file.write_text(json.dumps(content))
    with pytest.raises(BenchmarkError, match="is of a model made by gd; the list says what was known before"):
        find_known(knows_three)
