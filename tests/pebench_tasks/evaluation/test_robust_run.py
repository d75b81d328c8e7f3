"""The robust tasks in the real harness: a tiny model that is asked everything, and a backend that cannot be."""

import json
from pathlib import Path
from typing import Any

import pytest
from harness_runs import LIMIT, NEW_TOKENS, TASKS, Command, Evaluate, MakeCheckpoint
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms

from pebench_tasks import cli, harness
from pebench_tasks.attacks import QUESTION_ATTACKS, SIDES
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.checkpoints import evaluate_robust
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.evaluation.robust_run import _pairs
from pebench_tasks.evaluation.session import session
from pebench_tasks.marking.attack_record import ATTACKED, AttackRecord
from pebench_tasks.results.robust import ROBUST_TASKS, robust_results, robust_samples

ROBUST = list(ROBUST_TASKS.values())
EVERY_SLICE = {f"{attack}_{side}" for attack in QUESTION_ATTACKS for side in SIDES}
OF_EVENTS, OF_PEOPLE = {"scene_alone"}, {"face_alone", "two_people"}  # attacks on one concept alone
EXPECTED = {
    task: {name for name in EVERY_SLICE if name.rpartition("_")[0] not in others}
    for task, others in zip(ROBUST, (OF_EVENTS, OF_PEOPLE), strict=True)
}
SEVERAL_TURNS = {f"{attack}_{side}" for attack in ("prefill", "few_shot") for side in SIDES}
SHORT: dict[str, Any] = {"device": "cpu", "max_new_tokens": NEW_TOKENS}


def sizes(figures: dict[str, Any]) -> set[str]:
    return {name.partition(",")[0] for name, value in figures.items() if isinstance(value, float)} & EVERY_SLICE


def test_every_attack_is_asked_on_both_sides_beside_the_six_metrics(evaluate: Evaluate, llava: Path) -> None:
    """One call of both kinds of tasks: every sample's metric is its record's value."""
    asked = evaluate("pebench_hf", f"pretrained={llava},device=cpu", [TASKS[0], *ROBUST], limit=150)
    assert asked["results"][TASKS[0]]["provenance,none"]["withheld"] == ""
    for task in ROBUST:
        figures = asked["results"][task]
        assert sizes(figures) == EXPECTED[task]
        said = figures["provenance,none"]
        assert set(said["slices"]) == EXPECTED[task]
        assert (said["withheld"], said["not_asked"], said["access"]) == ("", {}, "questions")
        assert said["model"]["pretrained"] == str(llava)
        assert said["generation"]["max_new_tokens"] == NEW_TOKENS
        for sample in asked["samples"][task]:
            record = AttackRecord.from_json(sample["provenance"])
            assert sample[record.slice] == record.value
        for name in EXPECTED[task]:
            values = [sample[name] for sample in asked["samples"][task] if name in sample]
            assert figures[f"{name},none"] == pytest.approx(sum(values) / len(values))
            assert said["slices"][name]["n"] == len(values)


class Simple(lmms):
    """A backend that takes one text and some images, and answers with the number of these and the text."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        answers = []
        for request in requests:
            text, _, images, doc_id, task, split = request.args
            answers.append(f"{len(images(self.task_dict[task][split][doc_id]))} {text}")
        return answers

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        raise NotImplementedError


def simple(tasks: list[str], **options: Any) -> dict[str, Any]:
    from lmms_eval.evaluator import simple_evaluate
    from lmms_eval.tasks import TaskManager

    manager = TaskManager("WARNING", include_defaults=False, model_name="simple")
    return dict(simple_evaluate(model=Simple(), tasks=tasks, task_manager=manager, **options))


def test_a_backend_of_single_questions_is_not_asked_what_takes_several_turns_and_gets_no_score_for_it(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    found = simple([ROBUST[0]])
    figures, said = found["results"][ROBUST[0]], found["results"][ROBUST[0]]["provenance,none"]
    assert sizes(figures) == EXPECTED[ROBUST[0]] - SEVERAL_TURNS
    assert said["withheld"] == ""
    assert said["not_asked"] == {name: "an answer that is begun" if "prefill" in name else "several turns"
                                 for name in SEVERAL_TURNS}  # fmt: skip
    for sample in found["samples"][ROBUST[0]]:
        record = AttackRecord.from_json(sample["provenance"])
        if record.slice in SEVERAL_TURNS:
            assert (record.value, record.outcome, sample["filtered_resps"]) == (None, "not asked", [""])
        else:
            images = 0 if record.attack == "text_only" else 1
            assert sample["filtered_resps"] == [f"{images} {sample['doc']['question']}"]


def test_answers_to_documents_that_were_never_read_are_withheld(
    benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    rows = list(harness.people_robust(None))
    for row in (rows[0], *rows):  # the harness tries the first one
        harness.robust_text(row)
    for row in rows[1:]:
        harness.people_messages(row)
    marked = harness.robust_results(rows[1], ["This is nobody."])
    assert set(marked) == {"provenance"}
    assert marked["provenance"]["withheld"].startswith("the images of 1 documents were never read")


def test_documents_read_for_the_other_task_are_withheld(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stock backend takes the first document's function for its whole batch."""
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    people, events = list(harness.people_robust(None)), list(harness.events_robust(None))
    for rows in (people, events):
        for row in (rows[0], *rows):
            harness.robust_text(row)
            harness.people_messages(row)
    assert "mixes the documents" in harness.robust_results(people[0], ["?"])["provenance"]["withheld"]


def test_prompts_stand_round_the_last_question_alone(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    (row, *_) = [row for row in harness.people_robust(None) if row["attack"] == "few_shot"]
    prompts = {"pre_prompt": "<", "post_prompt": ">"}
    texts = [
        part["text"]
        for turn in harness.people_messages(row, prompts)
        for part in turn["content"]
        if part["type"] == "text" and turn["role"] == "user"
    ]
    assert texts[-1] == f"<{texts[0]}>" == harness.robust_text(row, prompts)
    assert set(texts[:-1]) == {texts[0]}


def test_attacks_are_chosen_by_name_in_the_order_of_the_registry(benchmark: Benchmark) -> None:
    data = {"PEBENCH_DATA": str(benchmark.directory)}
    assert choose({**data, "PEBENCH_ATTACKS": "few_shot, direct"}).attacks == ("direct", "few_shot")
    assert choose({**data, "PEBENCH_ATTACKS": "all"}).attacks == choose(data).attacks == ()
    with pytest.raises(BenchmarkError, match=r"there is no attack 'torture'\. Known: direct, paraphrase, "):
        choose({**data, "PEBENCH_ATTACKS": "direct,torture"})
    with pytest.raises(BenchmarkError, match="PEBENCH_TARGET is 'person'; it is either"):
        choose({**data, "PEBENCH_TARGET": "person"})


def test_a_checkpoint_is_attacked_as_its_record_says_and_results_are_what_the_files_hold(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    joint = make_checkpoint("joint", method="gd", target="joint", forget="forget05")
    results = evaluate_robust(
        [joint], attacks=["direct", "yes_no"], data=benchmark.directory, forget=5, output_path=tmp_path, **SHORT
    )
    assert [result.task for result in results] == ROBUST
    for result in results:
        assert result.provenance["target"] == "joint"
        assert set(result.known) == {f"{attack}_{side}" for attack in ("direct", "yes_no") for side in SIDES}
        samples = robust_samples(result.samples_file)
        written = [json.loads(line) for line in result.samples_file.open()]
        assert [one.response for one in samples] == [sample["filtered_resps"] for sample in written]
        assert [one.record.as_json() for one in samples] == [sample["provenance"] for sample in written]
        direct = [one.record.value for one in samples if one.record.slice == "direct_forget"]
        assert result.known["direct_forget"] == sum(value or 0 for value in direct) / len(direct)
        assert result in robust_results(result.results_file)
        result.samples_file.write_text(json.dumps({**written[0], "filtered_resps": 3}))
        with pytest.raises(BenchmarkError, match="line 1 is no sample of a robust task"):
            robust_samples(result.samples_file)
    assert not (tmp_path / "joint" / "unfinished").exists()


def test_a_finetuned_model_is_asked_what_a_joint_one_has_to_forget(
    benchmark: Benchmark, llava: Path, tmp_path: Path
) -> None:
    results = evaluate_robust(
        [llava], attacks=["direct"], targets=["joint"], data=benchmark.directory, output_path=tmp_path, **SHORT
    )
    assert [(result.task, result.provenance["target"]) for result in results] == [(task, "joint") for task in ROBUST]
    with pytest.raises(BenchmarkError, match="The joint target is attacked by itself"):
        evaluate_robust([llava], targets=["joint", "person"], data=benchmark.directory, output_path=tmp_path)


def test_the_command_attacks_prints_and_refuses_what_has_no_effect(
    benchmark: Benchmark, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", str(llava), "--data", str(benchmark.directory), "--output_path", str(tmp_path)]
    words += ["--device", "cpu", "--max_new_tokens", str(NEW_TOKENS), "--target", "person", "--attacks"]
    assert cli.main([*words, "direct,language_fr"]) == 0
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines() if line.startswith(("direct", "language_fr"))]
    assert [row[0] for row in rows] == ["direct", "language_fr"]
    assert all(row[1:] == ["0.000", "0.000", "1", "1"] for row in rows)
    assert "pebench_people_robust: 4 questions of 2 attacks (direct, language_fr), access: questions" in said.err
    assert cli.main([*words, "direct", "--retain-all"]) != 0
    assert "--retain-all has no effect on --attacks" in capsys.readouterr().err


def test_lmms_evals_own_command_asks_both_tasks_by_their_tag(command: Command, tmp_path: Path) -> None:
    command("pebench_robust", "--output_path", str(tmp_path), "--log_samples")
    (file,) = tmp_path.rglob("*_results.json")
    results = robust_results(file)
    assert [result.task for result in results] == ROBUST
    for result in results:
        samples = robust_samples(result.samples_file)
        assert len(samples) == LIMIT
        assert {one.record.slice for one in samples} == set(result.provenance["slices"])


def test_a_model_of_another_forget_set_is_refused(
    benchmark: Benchmark, make_checkpoint: MakeCheckpoint, tmp_path: Path
) -> None:
    model = make_checkpoint("other", method="gd", target="person", forget="forget20")
    with pytest.raises(BenchmarkError, match="was made for forget20, and no forget set is chosen"):
        evaluate_robust([model], attacks=["direct"], data=benchmark.directory, output_path=tmp_path, **SHORT)


def test_the_metrics_of_the_tasks_are_those_of_the_registry() -> None:
    names = [metric["metric"] for metric in harness.ATTACK_METRICS]
    assert names[-1] == "provenance"
    assert set(names[:-1]) == EVERY_SLICE
    assert json.dumps(names)
    session.close()


def test_questions_in_two_forms_are_accounted_in_pairs() -> None:
    """Of three pairs one is known of the image, one in both forms; the third was not answered in text: two count."""
    said = dict.fromkeys(ATTACKED, "") | {"side": "forget", "outcome": "", "judge": None}
    marks = {"a": (1.0, 0.0), "b": (1.0, 1.0), "c": (1.0, None)}
    records = [
        AttackRecord(**{**said, "key": f"{one}/{attack}", "attack": attack, "pair": pair, "value": value})
        for one, values in marks.items()
        for attack, value, pair in (
            ("text_only_image", values[0], f"{one}/text_only"),
            ("text_only", values[1], f"{one}/text_only_image"),
        )
    ]
    found = _pairs(records)
    assert list(found) == ["forget"]
    counted = {name: found["forget"][name] for name in ("both", "image_only", "text_only", "neither")}
    assert counted == {"both": 1, "image_only": 1, "text_only": 0, "neither": 0}
    assert found["forget"]["leak"] == pytest.approx((1 + 0.25) / 1.5)
