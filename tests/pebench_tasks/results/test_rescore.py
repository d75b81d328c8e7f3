import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness_runs import JOINT, SHORT, TASKS, MakeCheckpoint

from pebench_tasks import cli, versions
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate
from pebench_tasks.marking import scoring
from pebench_tasks.marking.scenes import Judgement
from pebench_tasks.results import rescore
from pebench_tasks.results.samples import Logged, read_logged, refuse_mixed


@pytest.fixture(scope="module")
def results(benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every task of one model, logged in full, with the answers of a Goal."""
    out: Path = tmp_path_factory.mktemp("logged")
    options: dict[str, Any] = {"data": benchmark.directory, **SHORT}
    for target in ("event", "joint"):
        goal = make_checkpoint("goal", seed=10, method="goal", target=target, forget="forget05",
                               split=benchmark.split(target, 5).split_id)  # fmt: skip
        evaluate([goal], targets=[target], output_path=out / "goals" / target, **options)
    model = make_checkpoint("model", seed=2, method="ga", target="event", forget="forget05")
    evaluate([model], targets=["person", "event"], goal=out / "goals" / "event", output_path=out, **options)
    evaluate([model], targets=["joint"], goal=out / "goals" / "joint", output_path=out, **options)
    return out / "model"


def logged(folder: Path, task: str) -> Logged:
    return next(one for one in read_logged(folder) if one.result.task == task)


def copy(results: Path, folder: Path, task: str) -> tuple[Path, Path]:
    """A result's own results and samples files in another folder."""
    result = logged(results, task).result
    return Path(shutil.copy(result.results_file, folder)), Path(shutil.copy(result.samples_file, folder))


@pytest.mark.parametrize("task", [*TASKS, JOINT])
def test_the_figures_are_the_harness_s_to_the_last_digit(results: Path, task: str) -> None:
    one = logged(results, task)
    again = rescore.rescore(one, rescore.context(one))
    assert again.differing == []
    assert again.result.metrics == one.result.metrics
    assert again.result.metrics
    assert json.loads(json.dumps(again.result.provenance.json)) == one.result.provenance.json
    documents = [json.loads(line) for line in one.result.samples_file.open()]
    for marked, document in zip((score.logged() for score in again.scores), documents, strict=True):
        assert json.loads(json.dumps(marked)) == {name: document[name] for name in marked}


def test_forgetting_is_scored_with_the_goal_that_was_used(results: Path) -> None:
    one = logged(results, TASKS[1])
    assert "efficacy" in rescore.rescore(one, rescore.context(one)).result.metrics
    for task in TASKS:  # of people no Goal is needed
        with pytest.raises(BenchmarkError, match=r"no folder .*elsewhere of Goal responses"):
            rescore.context(logged(results, task), goal="elsewhere")


def test_another_goal_s_answers_are_not_taken(
    results: Path, benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    other = make_checkpoint("other", seed=11, method="goal", target="event", forget="forget05")
    evaluate([other], data=benchmark.directory, targets=["event"], output_path=tmp_path, **SHORT)
    with pytest.raises(BenchmarkError, match="lacks the responses of the Goal models 0000000000000010"):
        rescore.context(logged(results, TASKS[1]), goal=tmp_path)


def test_samples_alone_are_enough(results: Path, benchmark: Benchmark, tmp_path: Path) -> None:
    results_file, samples_file = copy(results, tmp_path, TASKS[0])
    results_file.unlink()
    (one,) = read_logged(samples_file)
    assert one.result.metrics == {}
    again = rescore.rescore(one, rescore.context(one, data=benchmark.directory))
    assert again.result.metrics == logged(results, TASKS[0]).result.metrics


def test_a_changed_response_changes_the_figure_whatever_the_sample_claims(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, samples_file = copy(results, tmp_path, TASKS[0])
    rows = [json.loads(line) for line in samples_file.open()]
    forgotten = [row for row in rows if row["provenance"]["slice"] == "efficacy"]
    assert all(row["efficacy"] == 100.0 for row in forgotten)
    for row in forgotten:
        row["filtered_resps"] = row["target"]  # the very name
    samples_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["rescore", str(samples_file)]) == 1
    assert "efficacy: 100.0 in the results file, 0.0 now" in capsys.readouterr().out


def test_the_command_prints_figures_and_writes_everything(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "again.json"
    assert cli.main(["rescore", str(results), "--details", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("equal to the results file to the last digit") == 3
    for words in ("responses", "retained events", "by group", "n 3"):
        assert words in printed
    of_people = printed[printed.index("responses") :]
    (invalid,) = re.findall(r"(?m)^invalid +(.*)$", of_people.partition("by group")[0])
    *others, world = invalid.split()
    assert (set(others), int(world) > 0) == ({"-"}, True)  # a yes or no is missing where one is asked for alone
    written = json.loads(out.read_text())
    assert [row["task"] for row in written] == [*TASKS, JOINT]
    assert written[0]["figures"] == logged(results, TASKS[0]).result.metrics
    assert list(tmp_path.iterdir()) == [out]


def test_another_benchmark_is_refused(results: Path, tmp_path: Path) -> None:
    other = build_synthetic(tmp_path / "other", people=4, events=3, image_size=32, seed=1)
    with pytest.raises(BenchmarkError, match=f"is of the benchmark .* is {other.fingerprint}. Name the right one"):
        rescore.context(logged(results, TASKS[0]), data=other.directory)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"key": "p000/e99/name"}, "has no document p000/e99/name"),
        ({"slice": "retain"}, "is of the slice efficacy, but was logged as retain"),
        ({"data": "other"}, "is of the data .*, but was logged as other"),
        ({"split": "other"}, "is of the split .*, but was logged as other"),
    ],
)
def test_a_document_that_the_benchmark_does_not_ask_is_refused(
    results: Path, change: dict[str, Any], complaint: str
) -> None:
    one = logged(results, TASKS[0])
    place, sample = next((i, s) for i, s in enumerate(one.samples) if s.provenance.slice == "efficacy")
    changed = sample._replace(key=change.get("key", sample.key), provenance=replace(sample.provenance, **change))
    samples = [*one.samples[:place], changed, *one.samples[place + 1 :]]
    with pytest.raises(BenchmarkError, match=complaint):
        rescore.rescore(one._replace(samples=samples), rescore.context(one))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2, is not a sample of ours"),
        ("[]", "line 2, is not a sample of ours"),
        ('{"filtered_resps": "a"}', "line 2, is not a sample of ours"),
        ('{"provenance": {"key": "a"}, "filtered_resps": 3}', "the response is 3, not a text"),
        ('{"provenance": {"key": "a"}, "filtered_resps": "a", "retain": NaN}', "NaN is not a JSON number"),
        ("", "line 2, is not a sample of ours"),
        (None, "line 2: the document .* occurs twice"),
    ],
)
def test_damaged_samples_are_named(results: Path, tmp_path: Path, line: str | None, complaint: str) -> None:
    _, samples_file = copy(results, tmp_path, TASKS[0])
    first = samples_file.read_text().splitlines()[0]
    samples_file.write_text(f"{first}\n{first if line is None else line}\n")
    with pytest.raises(BenchmarkError, match=complaint):
        read_logged(samples_file)


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="There is no file or folder"):
        read_logged(tmp_path / "nothing")
    with pytest.raises(BenchmarkError, match="holds no results of our tasks"):
        read_logged(tmp_path)
    (tmp_path / "a_samples_pope.jsonl").write_text("{}")
    with pytest.raises(BenchmarkError, match="samples of the task pope; ours are"):
        read_logged(tmp_path / "a_samples_pope.jsonl")
    (tmp_path / "a_results.json").write_text('{"results": {"pope": {}}}')
    with pytest.raises(BenchmarkError, match="holds no results of our tasks"):
        read_logged(tmp_path / "a_results.json")


# One table


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ({"data": "other"}, "benchmark"),
        ({"split": "other"}, "forget set"),
        ({"template": "other"}, "templates"),
        ({"judge": "openai:model/12345678"}, "judge"),
        ({"retain_documents": "all"}, "retained documents"),
        ({"world_documents": "all"}, "World documents"),
        ({"real_documents": {"list": "other"}}, "Real documents"),
        ({"versions": {"pebench": "0.0", "lmms-eval": "0.7.3"}}, "PEBench version"),
        ({"goal": None}, "Goal models"),
        ({"slices": {"retain": {"n": 7}}}, "documents in all"),
        ({"generation": {"max_new_tokens": 3}}, "generation settings"),
    ],
)
def test_results_that_differ_in_more_than_the_model_are_not_mixed(
    results: Path, change: dict[str, Any], differing: str
) -> None:
    result = logged(results, TASKS[1]).result
    refuse_mixed([result, result._replace(checkpoint="another")])
    with pytest.raises(BenchmarkError, match=f"They differ in {differing}: "):
        refuse_mixed([result, result._replace(provenance=result.provenance.changed(**change))])


def test_results_of_another_task_version_are_not_mixed(results: Path) -> None:
    result = logged(results, TASKS[0]).result
    with pytest.raises(BenchmarkError, match=r"They differ in task version: 2\.0 and 1\.0"):
        refuse_mixed([result, result._replace(version="1.0")])


@pytest.mark.parametrize(
    ("version", "said"), [(1.1, "with  pebench rescore RESULTS --convert DIR"), (9.0, "use the PEBench that wrote it")]
)
def test_results_of_another_task_version_say_what_to_do(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], version: float, said: str
) -> None:
    results_file, _ = copy(results, tmp_path, TASKS[0])
    content = json.loads(results_file.read_text())
    content["versions"] = dict.fromkeys(content["versions"], version)
    results_file.write_text(json.dumps(content))
    for command in (["rescore"], ["report", "--out", str(tmp_path / "report")]):
        assert cli.main([*command, str(tmp_path)]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {results_file}: ")
        assert f" is of the task version {version}, " in line
        assert line.endswith(f"{said}") or said in line


def test_samples_without_their_results_file_stand_in_no_table(results: Path, tmp_path: Path) -> None:
    results_file, samples_file = copy(results, tmp_path, TASKS[0])
    results_file.unlink()
    (alone,) = read_logged(samples_file)
    with pytest.raises(BenchmarkError, match=r"is missing: it says how .* was scored"):
        refuse_mixed([logged(results, TASKS[0]).result, alone.result])
    refuse_mixed([alone.result])


@pytest.mark.parametrize("field", ["data", "split", "judge"])
def test_samples_that_contradict_their_results_file_are_refused(results: Path, tmp_path: Path, field: str) -> None:
    _, samples_file = copy(results, tmp_path, TASKS[1])
    rows = [json.loads(line) for line in samples_file.open()]
    for row in rows:
        if row["provenance"][field] is not None:
            row["provenance"][field] = "other"
    samples_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(BenchmarkError, match=f"do not belong together: their {field} differ"):
        read_logged(samples_file)


@pytest.mark.parametrize("content", ["[]", '{"results": []}', '{"results": {"pebench_people": {}}, "versions": {}}'])
def test_a_results_file_of_another_form_is_one_error(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    results_file, _ = copy(results, tmp_path, TASKS[0])
    results_file.write_text(content)
    for path in (tmp_path, results_file):
        assert cli.main(["rescore", str(path)]) == 1
        assert capsys.readouterr().err.startswith("error: ")


def test_what_cannot_be_written_is_one_error(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    assert cli.main(["rescore", str(results), "--out", str(tmp_path / "folder")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'folder'}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert cli.main(["rescore", str(results), "--out", str(tmp_path / "new" / "out.json")]) == 0


def test_two_scorings_of_one_goal_are_not_taken_for_two_goals(
    results: Path, benchmark: Benchmark, tmp_path: Path
) -> None:
    goals = tmp_path / "goals"
    shutil.copytree(results.parent / "goals" / "event", goals / "first")
    shutil.copytree(results.parent / "goals" / "event", goals / "second")
    for file in (goals / "second").rglob("*_results.json"):
        content = json.loads(file.read_text())
        content["results"][TASKS[1]]["provenance,none"]["generation"]["max_new_tokens"] = 7
        file.write_text(json.dumps(content))
    results_file, samples_file = copy(results, tmp_path, TASKS[1])
    results_file.unlink()
    (one,) = read_logged(samples_file)
    with pytest.raises(BenchmarkError, match="holds several scorings of one of these Goal models"):
        rescore.context(one, data=benchmark.directory, goal=goals)


# Judged results


class Judge:
    """Marks by the length of the response, and fails on some."""

    fingerprint = "openai:length/00000000"

    def __init__(self, failing: int) -> None:
        self.failing = failing

    def retain(self, question: str, truth: str, response: str) -> Judgement:
        if self.failing > 0:
            self.failing -= 1
            return Judgement(None, {"failed": "empty"})
        return Judgement(0.25, {"weights": {"2": 1.0}, "source": "text"})

    def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
        return self.retain(question, truth, response)


def judged(results: Path, failing: int) -> tuple[Logged, dict[str, Any]]:
    """The event result as another judge had marked it."""
    one = logged(results, TASKS[1])
    found = rescore.context(one)
    judge = Judge(failing)
    marked = [rescore.mark(s, found, judge) for s in one.samples]
    samples = [s._replace(provenance=m.provenance) for s, m in zip(one.samples, marked, strict=True)]
    return one._replace(samples=samples), rescore.add_up(marked)


def test_what_a_judge_said_is_rescored_from_the_samples(results: Path) -> None:
    one, figures = judged(results, failing=0)
    again = rescore.rescore(one, rescore.context(one)).result
    assert (figures["efficacy"], figures["retain"]) == (0.25, 0.25)
    assert again.metrics == figures
    assert again.provenance.judge == Judge.fingerprint
    assert again.metrics["efficacy_away"] == logged(results, TASKS[1]).result.metrics["efficacy_away"]


def test_a_figure_with_too_many_failed_judgements_is_withheld(results: Path) -> None:
    """All of Efficacy fail (2 of 2 come first); Retain has none."""
    n = logged(results, TASKS[1]).result.provenance.slices["efficacy"]["n"]
    one, figures = judged(results, failing=10**6)
    again = rescore.rescore(one, rescore.context(one)).result
    assert not {"efficacy", "generality", "retain"} & figures.keys()
    assert again.metrics == figures
    assert again.provenance.slices["efficacy"]["failed"] == n
    assert again.provenance.statistics.slices["efficacy"].value is None
    assert again.provenance.judge_failures == {"empty": 2 * n + again.provenance.slices["retain"]["n"]}
    assert again.provenance.never_learned is None


def test_withheld_scores_of_some_processes_do_not_lose_the_whole_result(results: Path, benchmark: Benchmark) -> None:
    """With torchrun one process may withhold its documents' scores, and another may have asked the judge."""
    from pebench_tasks.results.summary import describe

    one, _ = judged(results, failing=0)
    records = [replace(s.provenance, withheld="never read" if i % 2 else "") for i, s in enumerate(one.samples)]
    described = describe(records, benchmark)
    assert (described["withheld"], described["statistics"], described["slices"]) == ("never read", {}, {})
    assert described["judge"] == Judge.fingerprint


def test_a_judged_sample_without_its_judgement_is_damaged(results: Path) -> None:
    one, _ = judged(results, failing=0)
    samples = [s._replace(provenance=replace(s.provenance, judgement=None)) for s in one.samples]
    with pytest.raises(BenchmarkError, match="holds no judgement: the file is damaged"):
        rescore.rescore(one._replace(samples=samples), rescore.context(one))


def test_the_figures_add_up_as_the_task_says() -> None:
    """Every metric of the YAMLs has the aggregation that rescoring uses; attacks and likelihoods are not rescored."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: loader.construct_scalar(node))
    others = {"_robust_metrics", "_likelihood_metrics"}
    files = [file for file in versions.TASKS_FOLDER.glob("_*_metrics") if file.name not in others]
    assert len(files) == 3
    for row in (row for file in files for row in yaml.load(file.read_text(), Loader)["metric_list"]):
        function = rescore.AGGREGATIONS.get(row["metric"])
        function = function or scoring.average
        if row["metric"] != "provenance":
            assert row["aggregation"] == f"{function.__module__}.{function.__name__}", row["metric"]
