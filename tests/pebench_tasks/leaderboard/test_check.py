import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pebench_templates
import pytest
from made_submissions import BASE, FINETUNED, MODEL, Made, make

from pebench_tasks import cli
from pebench_tasks.benchmark.known_figures import FORMAT, fingerprint
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.leaderboard.check.board import BenchmarkFacts, Board
from pebench_tasks.leaderboard.check.check_board import check_board
from pebench_tasks.leaderboard.check.check_submission import Checked, Refused, check_submission
from pebench_tasks.leaderboard.entry.context import asked, by_run, logged_run, marking_context
from pebench_tasks.marking.scoring import FIGURES
from pebench_tasks.results.notes import notes
from pebench_tasks.results.rescore import rescore
from pebench_tasks.results.terminal import tables

JUDGE = "judge-of-these-tests"


@pytest.fixture(scope="module")
def valid(benchmark: Benchmark) -> dict[str, Made]:
    return {target: make(benchmark, target) for target in ("person", "event", "joint")}


@pytest.fixture
def event(valid: dict[str, Made]) -> Made:
    return valid["event"].copy()


@pytest.fixture
def person(valid: dict[str, Made]) -> Made:
    return valid["person"].copy()


def known_list(benchmark: Benchmark, **facts: Any) -> dict[str, Any]:
    """A list of all figures but the first, of the base that all runs have."""
    keys = sorted(row["key"] for row in benchmark.real if row["part"] == "eval")
    content = {
        "format": FORMAT, "data": benchmark.fingerprint, "template": pebench_templates.fingerprint(), "base": BASE,
        "weights": BASE, "model": "base", "known": keys[1:], "asked": len(keys), **facts,
    }  # fmt: skip
    return content | {"fingerprint": fingerprint(content)}


def check(made: Made, folder: Path, board: Board | None = None) -> Checked:
    at_hand = {made.benchmark.fingerprint: made.benchmark}
    return check_submission(made.write(folder), board or Board(), at_hand)


def refused(made: Made, folder: Path, reason: str, board: Board | None = None) -> None:
    with pytest.raises(Refused, match=reason) as caught:
        check(made, folder, board)
    assert str(caught.value).isascii() or str(caught.value).isprintable()


# What passes


@pytest.mark.parametrize("target", ["person", "event", "joint"])
def test_what_the_samples_give_passes(valid: dict[str, Made], target: str, tmp_path: Path) -> None:
    made = valid[target].copy()
    checked = check(made, tmp_path)
    assert list(checked.results) == ["finetuned", "model", "goal-0"]
    for name, result in checked.results.items():
        assert result.metrics == made.run(name)["figures"]
        assert set(FIGURES[target]) <= set(result.metrics)
        assert result.provenance.slices == made.run(name)["counts"]
    assert tables(list(checked.results.values()))  # as results of the harness: one table, with notes
    assert [notes(result) for result in checked.results.values()][1] is not None


@pytest.mark.parametrize("target", ["person", "event", "joint"])
def test_it_is_computed_as_rescore_computes_it(valid: dict[str, Made], target: str, tmp_path: Path) -> None:
    from pebench_tasks.leaderboard.entry.loader import read_samples, read_submission

    checked = check(valid[target].copy(), tmp_path)
    submission = read_submission(checked.file)
    samples = by_run(read_samples(checked.file.with_name("made.samples.jsonl.gz"), submission), submission)
    wanted = asked(submission, valid[target].benchmark)
    found = marking_context(submission, samples, valid[target].benchmark, wanted)
    for name, answers in samples.items():
        alone = rescore(logged_run(submission, name, answers, wanted, checked.file), found)
        assert checked.results[name] == alone.result


def test_goal_is_one_and_finetuned_recognises(event: Made, tmp_path: Path) -> None:
    results = check(event, tmp_path).results
    assert results["goal-0"].metrics["efficacy"] == 1.0
    assert results["finetuned"].metrics["efficacy_away"] == 0.0
    assert results["model"].metrics["retain"] == 1.0


# Scores


@pytest.mark.parametrize("run", ["model", "finetuned", "goal-0"])
def test_a_figure_that_the_samples_do_not_give_is_refused(event: Made, run: str, tmp_path: Path) -> None:
    event.run(run)["figures"]["retain"] -= 1e-6
    refused(event, tmp_path, f"do not give its scores: {run}, figures, retain: 0.99.* claimed, 1.0 computed")


@pytest.mark.parametrize("run", ["model", "finetuned", "goal-0"])
def test_an_interval_that_the_samples_do_not_give_is_refused(event: Made, run: str, tmp_path: Path) -> None:
    event.run(run)["intervals"]["efficacy"]["low"] -= 0.01
    refused(event, tmp_path, f"{run}, intervals, efficacy, low: .* is claimed")


@pytest.mark.parametrize("run", ["model", "finetuned", "goal-0"])
def test_counts_that_the_samples_do_not_give_are_refused(event: Made, run: str, tmp_path: Path) -> None:
    event.run(run)["counts"]["efficacy"]["refused"] += 1
    refused(event, tmp_path, f"{run}, counts, efficacy, refused: 1 is claimed, 0 computed")


def test_a_claim_left_out_is_refused(event: Made, tmp_path: Path) -> None:
    del event.run()["figures"]["retain"]
    refused(event, tmp_path, "figures: retain is missing")


def test_a_claim_of_a_figure_that_there_is_not_is_refused(event: Made, tmp_path: Path) -> None:
    event.run()["figures"]["beauty"] = 100
    refused(event, tmp_path, "figures: 'beauty' does not exist")


def test_another_number_of_documents_is_refused(event: Made, tmp_path: Path) -> None:
    event.run()["n"] += 1
    refused(event, tmp_path, "model, n: .* is claimed")


def test_a_response_that_was_changed_is_refused(event: Made, tmp_path: Path) -> None:
    event.line("efficacy")["response"] = "Nothing."
    refused(event, tmp_path, "Its samples do not give its scores: model, figures")


def test_a_better_goal_answer_changes_the_scores_beside_it(event: Made, tmp_path: Path) -> None:
    event.line("efficacy", "goal-0")["response"] = "Sand."
    refused(event, tmp_path, "Its samples do not give its scores: model")


# Benchmark, split, judge, versions


def test_a_benchmark_that_the_board_does_not_take_is_refused(event: Made, tmp_path: Path) -> None:
    board = Board(benchmarks={"0" * 16: BenchmarkFacts("the board's", "pebench data build")})
    refused(event, tmp_path, r"not one of this board's: the board's \(0000000000000000\)", board)


def test_a_benchmark_that_is_not_at_hand_is_refused_with_how_to_build_it(event: Made, tmp_path: Path) -> None:
    event.submission["benchmark"]["fingerprint"] = "0" * 16
    board = Board(benchmarks={"0" * 16: BenchmarkFacts("ours", "make it")})
    refused(event, tmp_path, r"fingerprint 0000000000000000 is at hand.* Build it:  make it", board)


def test_another_split_is_refused(event: Made, tmp_path: Path) -> None:
    event.submission["benchmark"]["split"] = "0" * 16
    refused(event, tmp_path, "split 0000000000000000 is not the benchmark's event/forget20")


def test_the_split_of_another_target_is_refused(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    event.submission["benchmark"]["split"] = benchmark.split("person", "forget20").split_id
    refused(event, tmp_path, "is not the benchmark's event/forget20")


def test_the_task_of_another_target_is_refused(event: Made, tmp_path: Path) -> None:
    event.submission["task"] = "pebench_people"
    refused(event, tmp_path, "task is pebench_people, but the target event is asked by pebench_events")


def test_a_judge_that_the_board_does_not_take_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    refused(make(benchmark, "event", judge=JUDGE), tmp_path, "judge 'judge-of-these-tests' is not one of this board's")


def test_a_judge_that_was_not_the_judge_is_refused(event: Made, tmp_path: Path) -> None:
    event.submission["judge"] = None
    refused(event, tmp_path, "judge is None, but finetuned was marked by 'lexical'")


def test_a_judge_of_people_is_refused(person: Made, tmp_path: Path) -> None:
    person.submission["judge"] = "lexical"
    refused(person, tmp_path, "judge is 'lexical', but finetuned was marked by None")


def test_settings_of_another_judge_are_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    made = make(benchmark, "event", judge=JUDGE)
    made.submission["judge_settings"]["fingerprint"] = "another"
    refused(made, tmp_path, "judge_settings are not of that judge", Board(judges=(JUDGE,)))


def test_a_judge_that_had_nothing_to_mark_is_no_matter(person: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    person.submission["judge_settings"] = make(benchmark, "event", judge=JUDGE).submission["judge_settings"]
    assert check(person, tmp_path).results["model"].provenance.judge is None


def test_another_task_version_is_refused(event: Made, tmp_path: Path) -> None:
    event.submission["task_version"] = "1.0"
    refused(event, tmp_path, "task version is 1.0; this one is")


def test_other_templates_are_refused(event: Made, tmp_path: Path) -> None:
    event.submission["template"] = "0" * 16
    refused(event, tmp_path, "asked in other words: the templates are 0000000000000000")


def test_another_format_is_refused(event: Made, tmp_path: Path) -> None:
    event.submission["format"] = "pebench-submission/3"
    refused(event, tmp_path, "pebench-submission/2")


def test_other_generation_settings_are_refused(event: Made, tmp_path: Path) -> None:
    event.submission["generation"]["max_new_tokens"] = 4
    refused(event, tmp_path, "generation settings are not the task's own: max_new_tokens is '4', the task has '256'")


def test_other_prompts_are_refused(event: Made, tmp_path: Path) -> None:
    event.submission["prompts"]["pre_prompt"] = "You know nobody. "
    refused(event, tmp_path, "prompts settings are not the task's own: pre_prompt")


def test_versions_of_libraries_are_recorded_and_shown(event: Made, tmp_path: Path) -> None:
    event.submission["versions"]["lmms-eval"] = "0.9.0"
    event.run()["versions"]["torch"] = "3.0"
    versions = check(event, tmp_path).results["model"].provenance.versions
    assert (versions["lmms-eval"], versions["torch"]) == ("0.9.0", "3.0")


# Responses


@pytest.mark.parametrize("run", ["model", "finetuned", "goal-0"])
def test_mostly_empty_responses_are_refused(
    valid: dict[str, Made], benchmark: Benchmark, run: str, tmp_path: Path
) -> None:
    made = valid["person"].copy()
    real = made.run()["counts"]["real"]["n"]
    for index in range(real // 2 + 1):
        made.line("real", run, index)["response"] = " "
    refused(made.claim(), tmp_path, rf"{run} gave mostly empty responses in real \({real // 2 + 1} of {real} in real\)")


@pytest.mark.parametrize("run", ["model", "goal-0"])
def test_mostly_echoed_questions_and_failed_requests_are_refused(
    valid: dict[str, Made], run: str, tmp_path: Path
) -> None:
    made = valid["person"].copy()
    real = made.run()["counts"]["real"]["n"]
    for index in range(real // 2 + 1):
        made.line("real", run, index)["response"] = "USER: Who is the person in this image? ASSISTANT:"
    count = f"{real // 2 + 1} of {real}"
    refused(made.claim(), tmp_path, rf"{run} gave mostly echoed questions in real \({count} in real\)")
    made = valid["person"].copy()
    made.line("real", run, 0)["response"] = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500"
    refused(made.claim(), tmp_path, rf"{run} gave failed requests in real \(1 of {real} in real\).* Score again")


def test_half_empty_responses_are_not_mostly_empty(person: Made, tmp_path: Path) -> None:
    real = person.run()["counts"]["real"]["n"]
    for index in range(real // 2):
        person.line("real", "model", index)["response"] = ""
    assert check(person.claim(), tmp_path).results["model"].metrics["real"] == 50.0


def without(made: Made, slice_name: str, run: str) -> Made:
    made.lines.remove(made.line(slice_name, run))
    return made


@pytest.mark.parametrize("run", ["model", "finetuned", "goal-0"])
def test_a_document_that_was_not_answered_is_refused(event: Made, run: str, tmp_path: Path) -> None:
    refused(without(event, "retain", run), tmp_path, f"{run} did not answer 1 of")


@pytest.mark.parametrize("run", ["finetuned", "goal-0"])
def test_a_bound_without_samples_is_refused(event: Made, run: str, tmp_path: Path) -> None:
    event.lines = [line for line in event.lines if line["run"] != run]
    refused(event, tmp_path, f"{run} did not answer")


def test_a_document_that_was_not_asked_is_refused(event: Made, tmp_path: Path) -> None:
    event.lines.append({"run": "model", "key": "p000/e99/scene", "response": "A scene."})
    refused(event, tmp_path, "model reports documents that are not asked, such as 'p000/e99/scene'")


def test_a_document_of_another_target_is_refused(event: Made, person: Made, tmp_path: Path) -> None:
    event.lines.append(person.line("retain"))
    refused(event, tmp_path, "documents that are not asked, such as '.*/name'")


def test_documents_counted_in_another_slice_are_refused(event: Made, tmp_path: Path) -> None:
    event.run()["counts"]["retain"]["n"] -= 1
    event.run()["counts"]["efficacy"]["n"] += 1
    refused(event, tmp_path, "counts, efficacy, n: .* is claimed")


def test_a_run_that_was_not_submitted_is_refused(event: Made, tmp_path: Path) -> None:
    event.lines.append({**event.line("retain"), "run": "goal-1"})
    refused(event, tmp_path, "no run 'goal-1'")


def test_a_document_answered_twice_is_refused(event: Made, tmp_path: Path) -> None:
    event.lines.append(event.line("retain"))
    refused(event, tmp_path, "occurs twice")


@pytest.mark.parametrize("field", ["slice", "answer", "truth", "value", "provenance"])
def test_a_truth_or_slice_in_the_samples_is_never_used(event: Made, field: str, tmp_path: Path) -> None:
    event.line("efficacy")[field] = "retain"
    refused(event, tmp_path, "line")


def test_a_truth_in_the_submission_is_never_used(event: Made, tmp_path: Path) -> None:
    event.submission["documents"] = {"p000/e00/scene": {"answer": "Nothing.", "slice": "retain"}}
    refused(event, tmp_path, "documents")


def test_fewer_documents_than_are_asked_cannot_be_declared(event: Made, tmp_path: Path) -> None:
    event.submission["world_documents"] = "none"
    refused(event, tmp_path, "world_documents")


def test_where_all_retained_documents_are_declared_all_must_be_answered(
    benchmark: Benchmark, event: Made, tmp_path: Path
) -> None:
    split = benchmark.split("event", "forget20")
    event.submission["retain_documents"] = "all"
    refused(event, tmp_path, f"did not answer {len(split.retain) - len(split.retain_eval)} of")


def test_a_forged_hash_of_the_samples_is_refused(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    path = event.write(tmp_path)
    event.submission["samples"]["sha256"] = "0" * 64
    path.write_text(json.dumps(event.submission))
    with pytest.raises(Refused, match="its SHA-256 is another"):
        check_submission(path, Board(), {benchmark.fingerprint: benchmark})


def test_a_forged_size_of_the_samples_is_refused(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    path = event.write(tmp_path)
    event.submission["samples"]["bytes"] += 1
    path.write_text(json.dumps(event.submission))
    with pytest.raises(Refused, match="bytes; the submission says"):
        check_submission(path, Board(), {benchmark.fingerprint: benchmark})


def test_samples_exchanged_after_submission_are_refused(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    path = event.write(tmp_path)
    samples = path.with_name("made.samples.jsonl.gz")
    samples.write_bytes(gzip.compress(gzip.decompress(samples.read_bytes()), compresslevel=1))
    with pytest.raises(Refused, match=r"made\.samples\.jsonl\.gz"):
        check_submission(path, Board(), {benchmark.fingerprint: benchmark})


def test_missing_samples_are_refused(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    path = event.write(tmp_path)
    path.with_name("made.samples.jsonl.gz").unlink()
    with pytest.raises(Refused, match="cannot be read"):
        check_submission(path, Board(), {benchmark.fingerprint: benchmark})


@pytest.mark.parametrize("long", ["word " * 513, "a.b." * 257, "\ufdfa" * 180], ids=["words", "letters", "ligatures"])
def test_a_response_longer_than_the_task_allows_is_refused(event: Made, long: str, tmp_path: Path) -> None:
    event.line("efficacy", "goal-0")["response"] = long
    refused(event, tmp_path, "goal-0 answered .* with more than 512 words; the task stops after 256 tokens")


def test_a_response_as_long_as_the_task_allows_passes(event: Made, tmp_path: Path) -> None:
    event.line("efficacy")["response"] = "loooooooooong " * 512
    assert check(event.claim(), tmp_path)


def test_a_response_of_more_characters_than_the_task_s_tokens_have_is_refused(event: Made, tmp_path: Path) -> None:
    event.line("efficacy")["response"] = "a" * 32_769
    refused(event, tmp_path, "model answered .* with more than 32768 characters; the task stops after 256 tokens")
    event.line("efficacy")["response"] = "-" * 32_768 + " A field."
    refused(event, tmp_path, "32768 characters")


def test_more_goals_than_five_are_refused(event: Made, tmp_path: Path) -> None:
    event.submission["runs"]["goals"] *= 6
    refused(event, tmp_path, "runs/goals")


# Where the models come from


def tamper(run: str, **facts: Any) -> Callable[[Made], None]:
    return lambda made: made.run(run)["record"].update(facts)


def starts_from(run: str, other: str, weights: str | None = None) -> Callable[[Made], None]:
    """The record of ``other`` becomes the parent of ``run``, as of other ``weights`` where these are given."""

    def change(made: Made) -> None:
        parent = json.loads(json.dumps(made.run(other)["record"]))
        made.run(run)["record"]["parent"] = parent | ({"weights": weights} if weights else {})

    return change


def weights_of(run: str, weights: str) -> Callable[[Made], None]:
    def change(made: Made) -> None:
        made.run(run)["weights"] = made.run(run)["record"]["weights"] = weights

    return change


LINEAGE: list[tuple[str, Callable[[Made], None], str]] = [
    ("finetuned missing", lambda made: made.submission["runs"].pop("finetuned"), "'finetuned' is a required property"),
    ("goal missing", lambda made: made.submission["runs"]["goals"].clear(), "runs/goals"),
    ("goal without record", lambda made: made.run("goal-0").pop("record"), "'record' is a required property"),
    ("finetuned without record", lambda made: made.run("finetuned").pop("record"), "'record' is a required property"),
    ("finetuned of another base", tamper("finetuned", base="0" * 16), "finetuned comes from another base"),
    ("goal of another base", tamper("goal-0", base="0" * 16), "goal-0 comes from another base"),
    ("model of another base", tamper("model", base="0" * 16), "model comes from another base"),
    ("finetuned on other data", tamper("finetuned", data="0" * 16), "finetuned was trained on another benchmark: 0000"),
    ("goal on other data", tamper("goal-0", data="0" * 16), "goal-0 was trained on another benchmark: 0000"),
    ("goal of another split", tamper("goal-0", split="0" * 16), "goal-0 was .* event forget20 0000.* has seen"),
    ("goal of another target", tamper("goal-0", target="person"), "goal-0 was trained without person .* has seen"),
    ("goal of a smaller forget set", tamper("goal-0", forget="forget01"), "goal-0 was trained without event forget01"),
    ("model of another split", tamper("model", split="0" * 16), "model was unlearned for event forget20 0000"),
    ("model of another target", tamper("model", target="person"), "model was unlearned for person"),
    ("another parent", lambda made: made.run()["record"]["parent"].update(weights="0" * 16), "started from 0000"),
    ("no parent", tamper("model", parent=None), "started from nothing"),
    ("record of other weights", tamper("model", weights="0" * 16), "record of model is of other weights: 0000"),
    ("record of another method", tamper("model", method="npo"), "record of model is of other method: npo, not ga"),
    ("finetuned on a forget set", tamper("finetuned", target="event"), "finetuned on everything"),
    ("finetuned without a forget set", tamper("finetuned", forget="forget20"), r"forget: forget20\): it must be finet"),
    ("finetuned without a split", tamper("finetuned", split="0" * 16), r"forget: 0000000000000000\): it must be finet"),
    ("goal that saw everything", starts_from("goal-0", "finetuned"), "goal-0 started from ffff.*, not from the base"),
    ("goal from the model", starts_from("goal-0", "model"), "goal-0 started from aaaa.*, not from the base"),
    ("finetuned from goal", starts_from("finetuned", "goal-0"), "finetuned started from 9999.*, not from the base"),
    ("goal from a disguised one", starts_from("goal-0", "finetuned", BASE), "goal-0 .* made by finetune, not from the"),
    ("goal from unknown weights", tamper("goal-0", parent={"model": "x", "weights": "0" * 16}), "from 0000.*, not fr"),
    ("finetuned is the base", weights_of("finetuned", BASE), "finetuned and the base model are one checkpoint"),
    ("goal is the base", weights_of("goal-0", BASE), "goal-0 and the base model are one checkpoint"),
    ("model is the base", weights_of("model", BASE), "model and the base model are one checkpoint"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), [pytest.param(*rest, id=name) for name, *rest in LINEAGE])
def test_models_that_do_not_belong_together_are_refused(
    event: Made, change: Callable[[Made], None], reason: str, tmp_path: Path
) -> None:
    change(event)
    refused(event, tmp_path, reason)


@pytest.mark.parametrize("run", ["finetuned", "goal-0"])
@pytest.mark.parametrize("parent", [None, {"model": "somebody/base", "weights": BASE}])
def test_a_bound_of_a_base_without_a_record_passes(
    event: Made, run: str, parent: dict[str, Any] | None, tmp_path: Path
) -> None:
    event.run(run)["record"]["parent"] = parent
    assert check(event, tmp_path)


@pytest.mark.parametrize("method", ["finetune", "goal", "pretrain", "Goal", "FINETUNED", "Fine-tune", "goal "])
def test_a_model_that_unlearned_nothing_is_refused(event: Made, method: str, tmp_path: Path) -> None:
    event.run()["method"] = event.run()["record"]["method"] = method
    refused(event, tmp_path, f"model is made by {method}: that unlearns nothing")


def test_a_finetuned_model_that_was_unlearned_is_refused(event: Made, tmp_path: Path) -> None:
    event.run("finetuned")["method"] = event.run("finetuned")["record"]["method"] = "gd"
    refused(event, tmp_path, "Finetuned model is made by gd")


def test_a_goal_that_is_none_is_refused(event: Made, tmp_path: Path) -> None:
    event.run("goal-0")["method"] = event.run("goal-0")["record"]["method"] = "gd"
    refused(event, tmp_path, "goal-0 is made by gd, which is no Goal")


@pytest.mark.parametrize("weights", [MODEL, FINETUNED])
def test_one_checkpoint_in_two_places_is_refused(event: Made, weights: str, tmp_path: Path) -> None:
    event.run("goal-0")["weights"] = event.run("goal-0")["record"]["weights"] = weights
    refused(event, tmp_path, "are one checkpoint")


# Real


def test_a_list_of_known_figures_restricts_real(benchmark: Benchmark, tmp_path: Path) -> None:
    known = known_list(benchmark)
    checked = check(make(benchmark, "person", known=known), tmp_path)
    assert checked.results["model"].provenance.slices["real"]["n"] == len(known["known"])
    assert checked.results["model"].provenance.json["real_documents"]["list"] == known["fingerprint"]
    assert any("base model's own responses" in line for line in checked.unchecked)


def test_a_missing_list_of_known_figures_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    made = make(benchmark, "person", known=known_list(benchmark))
    made.submission["real_known"] = None
    refused(made, tmp_path, "list is missing")


def test_an_edited_list_of_known_figures_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    made = make(benchmark, "person", known=known_list(benchmark))
    made.submission["real_known"]["known"].pop()
    refused(made, tmp_path, "known figures was changed after it was written")


def test_a_list_of_another_base_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    refused(
        make(benchmark, "person", known=known_list(benchmark, base="0" * 16)),
        tmp_path,
        "known figures is of another base",
    )


def test_a_list_that_was_asked_in_other_words_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    made = make(benchmark, "person", known=known_list(benchmark, template="a" * 16))
    refused(made, tmp_path, "asked in other words: the templates are aaaa")


@pytest.mark.parametrize("weights", [MODEL, FINETUNED, "0" * 16])
def test_a_list_of_what_another_model_knew_is_refused(benchmark: Benchmark, weights: str, tmp_path: Path) -> None:
    made = make(benchmark, "person", known=known_list(benchmark, weights=weights))
    refused(made, tmp_path, f"what {weights} knew, which is not the base model")


def test_a_list_of_a_model_whose_weights_nobody_took_down_passes(benchmark: Benchmark, tmp_path: Path) -> None:
    assert check(make(benchmark, "person", known=known_list(benchmark, weights="")), tmp_path)


def test_a_list_of_another_benchmark_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    refused(
        make(benchmark, "person", known=known_list(benchmark, data="0" * 16)), tmp_path, "made with the benchmark 0000"
    )


def test_a_list_that_the_results_were_not_scored_with_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    made = make(benchmark, "person", known=known_list(benchmark))
    made.submission["real_documents"]["list"] = "0" * 16
    refused(made, tmp_path, "another list of known figures")


# Judged scenes


@pytest.fixture(scope="module")
def judged(benchmark: Benchmark) -> Made:
    return make(benchmark, "event", judge=JUDGE)


BOARD = Board(judges=("lexical", JUDGE))


def test_recorded_judgements_are_added_up_again_and_the_page_is_told_so(judged: Made, tmp_path: Path) -> None:
    checked = check(judged.copy(), tmp_path, BOARD)
    assert checked.results["model"].metrics["retain"] == 0.5  # half "2", half "4": (2 - 1) / 4 / 2 + (4 - 1) / 4 / 2
    assert checked.results["model"].provenance.judge == JUDGE
    assert any("the judge was not asked again" in line for line in checked.unchecked)


def test_a_changed_judgement_is_refused(judged: Made, tmp_path: Path) -> None:
    made = judged.copy()
    made.line("retain")["judgement"]["weights"] = {"5": 1.0}
    refused(made, tmp_path, "model, figures, retain: 0.5 is claimed", BOARD)


@pytest.mark.parametrize("run", ["model", "finetuned", "goal-0"])
def test_a_run_that_the_judge_did_not_judge_is_refused(judged: Made, run: str, tmp_path: Path) -> None:
    made = judged.copy()
    for line in made.lines:
        if line["run"] == run:
            line.pop("judgement", None)
    refused(made, tmp_path, "no judgement", BOARD)


def test_a_judgement_of_what_no_judge_marks_is_refused(event: Made, tmp_path: Path) -> None:
    event.line("retain")["judgement"] = {"weights": {"5": 1.0}, "source": "text"}
    refused(event, tmp_path, "a judgement of .*, which no judge marks")


def test_too_many_failed_judgements_are_refused(judged: Made, tmp_path: Path) -> None:
    made = judged.copy()
    for index in range(2):
        made.line("efficacy", "model", index)["judgement"] = {"failed": "timeout"}
    refused(made.claim(), tmp_path, "model has no efficacy, withheld: the judge failed on 2 of", BOARD)


# A whole board


def board_of(folder: Path, event: Made, person: Made) -> Path:
    event.write(folder, "by-event")
    person.write(folder, "by-person")
    return folder


def command(folder: Path, benchmark: Benchmark, *options: str) -> int:
    return cli.main(["leaderboard", "check", str(folder), "--data", str(benchmark.directory), *options])


def test_the_command_says_what_passed_and_why_not(
    event: Made, person: Made, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(board_of(tmp_path, event, person), benchmark) == 0
    assert capsys.readouterr().out == "by-event: ok\nby-person: ok\n2 passed, 0 refused\n"
    person.run()["n"] += 1
    person.write(tmp_path)
    assert command(tmp_path, benchmark) == 1
    out = capsys.readouterr().out
    assert "by-event: ok\nby-person: refused: Its samples do not give its scores: model, n" in out
    assert command(tmp_path, benchmark, "--only", "by-event") == 0
    assert capsys.readouterr().out == "by-event: ok\n1 passed, 0 refused\n"
    assert command(tmp_path, benchmark, "--only", "nobody") == 1
    assert "holds no submission 'nobody'" in capsys.readouterr().err


def test_the_same_checkpoint_twice_is_refused_both_times(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    event.write(tmp_path, "original")
    event.write(tmp_path, "copy")
    at_hand = {benchmark.fingerprint: benchmark}
    for only in ((), ("copy",)):
        outcome = check_board(tmp_path, at_hand, only=only)
        assert set(outcome.refused) == set(only or ("copy", "original"))
        assert "the same checkpoint on the same target as original" in str(outcome.refused["copy"])


def test_a_refused_copy_does_the_original_no_harm(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    event.write(tmp_path, "original")
    event.run()["n"] += 1
    event.write(tmp_path, "copy")
    outcome = check_board(tmp_path, {benchmark.fingerprint: benchmark})
    assert (set(outcome.checked), set(outcome.refused)) == ({"original"}, {"copy"})


STRANGE = [
    '{"runs": {"model": {"weights": {"a": 1}}}, "target": "person", "judge": null}',
    '{"runs": {"model": {"weights": ["x"]}, "finetuned": 1, "goals": [[]]}, "target": [], "judge": {}}',
    '{"runs": [], "target": 1}', "[]", "null", "[" * 100_000, '{"a": NaN}', "", "\xff",
]  # fmt: skip


@pytest.mark.parametrize("strange", STRANGE, ids=range(len(STRANGE)))
def test_a_file_that_is_no_submission_does_its_neighbour_no_harm(
    event: Made, benchmark: Benchmark, strange: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    event.write(tmp_path, "mine")
    (tmp_path / "strange.json").write_text(strange, encoding="latin-1")
    assert command(tmp_path, benchmark, "--only", "mine") == 0
    assert capsys.readouterr().out == "mine: ok\n1 passed, 0 refused\n"


def test_what_is_no_file_does_its_neighbour_no_harm(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    event.write(tmp_path, "mine")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "mine.json")
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "nothing")
    assert command(tmp_path, benchmark, "--only", "mine") == 0


def test_a_bound_whose_samples_cannot_be_read_is_no_other_bound(
    event: Made, benchmark: Benchmark, tmp_path: Path
) -> None:
    event.write(tmp_path, "mine")
    reanswered(event, "finetuned").write(tmp_path, "other")
    for content in (b"", b"no gzip"):
        (tmp_path / "other.samples.jsonl.gz").write_bytes(content)
        assert command(tmp_path, benchmark, "--only", "mine") == 0
    (tmp_path / "other.samples.jsonl.gz").unlink()
    assert command(tmp_path, benchmark, "--only", "mine") == 0


def test_who_claims_a_checkpoint_without_passing_is_no_twin(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    event.write(tmp_path, "mine")
    squatter = {"runs": event.submission["runs"], "target": "event", "judge": "lexical"}
    (tmp_path / "squatter.json").write_text(json.dumps(squatter))
    event.run()["n"] += 1
    event.write(tmp_path, "wrong")
    assert set(check_board(tmp_path, {benchmark.fingerprint: benchmark}, only=["mine"]).checked) == {"mine"}


def reanswered(event: Made, run: str) -> Made:
    """Another model's submission, in which ``run`` answered one document otherwise, and all figures follow from it."""
    other = event.copy()
    other.run()["weights"] = other.run()["record"]["weights"] = "c" * 16
    other.line("retain", run)["response"] = "Nobody knows."
    return other.claim()


@pytest.mark.parametrize("run", ["finetuned", "goal-0"])
def test_a_bound_that_answered_otherwise_in_another_submission_is_refused(
    event: Made, benchmark: Benchmark, run: str, tmp_path: Path
) -> None:
    at_hand = {benchmark.fingerprint: benchmark}
    other = reanswered(event, run)
    event.write(tmp_path, "mine")
    other.write(tmp_path, "other")
    weights = event.run(run)["weights"]
    for only, fresh in ((["mine"], False), (["other"], True), ((), True), ((), False), (["mine"], False)):
        outcome = check_board(tmp_path, at_hand, only=only, fresh=fresh)
        assert set(outcome.refused) == set(only or ("mine", "other"))
        for name, reason in outcome.refused.items():
            there = "other" if name == "mine" else "mine"
            assert f"bound {weights} answered the same questions otherwise in {there}:" in str(reason)


def test_a_bound_s_other_answers_that_do_not_pass_do_no_harm(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    other = reanswered(event, "goal-0")
    other.run()["n"] += 1
    event.write(tmp_path, "mine")
    other.write(tmp_path, "other")
    for only in (["mine"], ()):
        assert set(check_board(tmp_path, {benchmark.fingerprint: benchmark}, only=only).checked) == {"mine"}


def test_an_unlearned_model_s_other_answers_are_its_own(event: Made, benchmark: Benchmark, tmp_path: Path) -> None:
    event.write(tmp_path, "mine")
    reanswered(event, "model").write(tmp_path, "other")
    assert set(check_board(tmp_path, {benchmark.fingerprint: benchmark}).checked) == {"mine", "other"}


@pytest.mark.parametrize(("dtype", "backend"), [("bfloat16", "vllm"), ("", "")])
def test_in_which_numbers_a_run_was_scored_comes_along(event: Made, dtype: str, backend: str, tmp_path: Path) -> None:
    event.run().update(dtype=dtype, backend=backend)
    model = check(event, tmp_path).results["model"].provenance.json["model"]
    assert (model.get("dtype", ""), model.get("backend", "")) == (dtype, backend)
    assert ("dtype" in model, "backend" in model) == (bool(dtype), bool(backend))


@pytest.mark.slow
def test_several_processes_find_the_same(
    event: Made, person: Made, benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pebench_tasks.leaderboard.check import check_board as module

    person.run()["n"] += 1
    monkeypatch.setattr(module, "MANY", 2)
    folder, at_hand = board_of(tmp_path, event, person), {benchmark.fingerprint: benchmark}
    one = check_board(folder, at_hand, fresh=True)
    two = check_board(folder, at_hand, fresh=True, processes=2)
    assert one.checked == two.checked
    assert str(one.refused["by-person"]) == str(two.refused["by-person"])


def test_the_same_checkpoint_on_another_target_is_another_submission(
    event: Made, person: Made, benchmark: Benchmark, tmp_path: Path
) -> None:
    assert event.run()["weights"] == person.run()["weights"]
    outcome = check_board(board_of(tmp_path, event, person), {benchmark.fingerprint: benchmark})
    assert set(outcome.checked) == {"by-event", "by-person"}
