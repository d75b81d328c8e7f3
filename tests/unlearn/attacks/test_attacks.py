"""Attacks on weights: on real tiny models, what is asked is never trained on, and a record is whole or not there."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pebench_tasks.backend import families
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.backend.rounding import load_rounded
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.answering import answer_documents
from unlearn import attack
from unlearn.attacks import WEIGHT_ATTACKS, chosen, relearn, rescale, rounding
from unlearn.attacks.case import Case
from unlearn.attacks.plan import CAP, Plan, ask, concept_of, refuse_overlap
from unlearn.attacks.record import FILE
from unlearn.data.samples import Question
from unlearn.data.sets import QUESTIONS
from unlearn.protocol import tiny_model
from unlearn.tensors.encoding import Encoder
from unlearn.tensors.parts import Lora, tune

ARMS = [name for name in WEIGHT_ATTACKS if name.startswith("relearn_")]
CPU = torch.device("cpu")
Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """Ten people in ten events: forget20 has two of each, so that one can be trained and the other asked."""
    return build_synthetic(tmp_path_factory.mktemp("drawn") / "data", people=10, events=10, image_size=32, seed=0)


@pytest.fixture(scope="module")
def checkpoint(drawn: Benchmark, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Untrained checkpoints of one form, by their seed."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def checkpoint(seed: int) -> Path:
        path = folder / str(seed)
        if not path.is_dir():
            model, processor = tiny_model.build(drawn, seed=seed, image_size=32)
            model.save_pretrained(path)
            processor.save_pretrained(path)
        return path

    return checkpoint


@pytest.fixture
def case(drawn: Benchmark, checkpoint: Callable[[int], Path]) -> Case:
    names = str(checkpoint(1)), str(checkpoint(0))
    return Case(*names, drawn, drawn.split("person", 20), CPU, torch.float32, 16, 4)


@pytest.fixture
def run(drawn: Benchmark, checkpoint: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with answers of 4 tokens and 2 steps of training; what it wrote, without what no two runs share."""
    monkeypatch.setattr(relearn, "STEPS", (0, 2))

    def run(attacks: str, *more: str, out: str = "out", target: str = "person", code: int = 0) -> dict[str, Any]:
        folder = tmp_path / out
        words = [str(checkpoint(1)), "--attacks", attacks, "--data", str(drawn.directory), "--target", target]
        words += ["--forget", "20", "--output_dir", str(folder), "--device", "cpu", "--max_new_tokens", "4"]
        assert attack.main([*words, *more]) == code
        if code == 1:
            return {}
        found = json.loads((folder / FILE).read_text())
        del found["command"]
        for entry in found["attacks"].values():
            del entry["seconds"]
        return dict(found)

    return run


# What is asked, and what is trained on


@pytest.mark.parametrize("target", ["person", "event"])
@pytest.mark.parametrize("name", ARMS)
def test_no_image_is_trained_on_and_asked_about(drawn: Benchmark, name: str, target: str) -> None:
    split = drawn.split(target, 20)
    plan = WEIGHT_ATTACKS[name].plan(drawn, split)
    assert {sample.question for sample in plan.trained} == {QUESTIONS[target]}
    assert not {sample.image for sample in plan.trained} & {doc["image"] for doc in plan.documents}
    assert {doc["image"] for doc in plan.asked.forget} <= set(split.test)
    assert {doc["image"] for doc in plan.asked.retain} <= set(split.retain_eval)


@pytest.mark.parametrize("target", ["person", "event"])
def test_half_asks_about_no_one_that_it_trains_on(drawn: Benchmark, target: str) -> None:
    split = drawn.split(target, 20)
    plan = WEIGHT_ATTACKS["relearn_half"].plan(drawn, split)
    trained = {concept_of(target, sample.key) for sample in plan.trained}
    tested = {concept_of(target, doc["key"]) for doc in plan.asked.forget}
    assert len(trained) == len(tested) == 1
    assert trained | tested == set(split.forget_ids)
    assert not trained & {concept_of(target, doc["key"]) for doc in plan.documents}
    assert len(plan.trained) == 10  # all images of the one


def test_the_other_arms_train_on_what_they_say(drawn: Benchmark) -> None:
    split = drawn.split("person", 20)
    trained = {name: {sample.image for sample in WEIGHT_ATTACKS[name].plan(drawn, split).trained} for name in ARMS}
    assert trained["relearn_same"] == set(split.train)
    assert trained["relearn_others"] == set(split.retain) - set(split.retain_eval)
    assert trained["relearn_unrelated"] == {row["key"] for row in drawn.real if row["part"] == "pretrain"}


def test_a_plan_that_trains_on_what_it_asks_is_caught(drawn: Benchmark) -> None:
    plan = WEIGHT_ATTACKS["relearn_same"].plan(drawn, drawn.split("person", 20))
    shared = plan.trained[0]._replace(image=plan.documents[0]["image"])
    with pytest.raises(AssertionError, match="trained on and asked about"):
        refuse_overlap(plan._replace(trained=[*plan.trained, shared]))


def test_both_sides_are_asked_about_as_many_concepts_evenly(drawn: Benchmark) -> None:
    """Two forgotten people of ten images, half of them in D^f_test; two of the eight others."""
    asked = ask(drawn, drawn.split("person", 20))
    people = [[concept_of("person", doc["key"]) for doc in side] for side in asked]
    assert [len(set(side)) for side in people] == [2, 2]
    assert people[0].count(people[0][0]) == people[0].count(people[0][1]) == 5
    assert ask(drawn, drawn.split("person", 20)) == asked


def test_no_more_than_the_cap_is_asked(drawn: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unlearn.attacks.plan.CAP", 4)
    forgotten, retained = ask(drawn, drawn.split("event", 20))
    assert len(forgotten) == len(retained) == 4 < CAP
    assert [concept_of("event", doc["key"]) for doc in forgotten] == 2 * list(drawn.split("event", 20).forget_ids)


# What is done to the weights


def weights(model: Any) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_rescaling_ends_at_both_models(case: Case, drawn: Benchmark, checkpoint: Callable[[int], Path]) -> None:
    """Bit for bit, so at 0 the answers are Finetuned's; at a quarter, by hand, 0.75 and 0.25 of the two."""
    found: dict[float, dict[str, Tensor]] = {}
    answers: dict[float, list[str]] = {}
    plan = rescale.plan(drawn, case.split)

    def said(model: PebenchHf) -> list[str]:
        return answer_documents(model, plan.documents[:4], drawn.image, max_new_tokens=6)

    def score(at: Any, model: Any) -> None:
        found[at] = weights(model)
        if at in (0.0, 1.0):
            answers[at] = said(PebenchHf.around(model, case.processor, "between", batch_size=4))

    rescale.run(case, plan, score)
    finetuned, unlearned = (weights(families.load_model(str(checkpoint(seed)), torch.float32)) for seed in (0, 1))
    assert list(found) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert equal(found[0.0], finetuned)
    assert equal(found[1.0], unlearned)
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    torch.testing.assert_close(found[0.25][name], 0.75 * finetuned[name] + 0.25 * unlearned[name])
    assert answers[0.0] == said(PebenchHf(str(checkpoint(0)), device="cpu", batch_size=4))
    assert answers[1.0] == said(PebenchHf(str(checkpoint(1)), device="cpu", batch_size=4))


def test_rounding_asks_the_model_that_load_in_loads(case: Case, drawn: Benchmark) -> None:
    found: dict[Any, dict[str, Tensor]] = {}
    rounding.run(case, rounding.plan(drawn, case.split), lambda at, model: found.update({at: weights(model)}))
    assert list(found) == ["float32", "bfloat16", "int8", "int4"]
    assert equal(found["float32"], weights(families.load_model(case.checkpoint, torch.float32)))
    for level in ("bfloat16", "int8", "int4"):
        assert equal(found[level], weights(load_rounded(case.checkpoint, level, torch.float32, CPU)))


def changed_adapters(model: Any) -> int:
    return sum(bool(weight.any()) for name, weight in model.named_parameters() if "lora_B" in name)


def test_relearning_begins_at_the_model_and_trains_adapters(
    case: Case, drawn: Benchmark, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first step what is added is 0. The weights below stay, and no module leaves its mode."""
    monkeypatch.setattr(relearn, "STEPS", (0, 1, 2))
    plan = WEIGHT_ATTACKS["relearn_half"].plan(drawn, case.split)
    changed: list[tuple[Any, int]] = []
    modes: list[tuple[list[bool], list[bool]]] = []

    def score(at: Any, model: Any) -> None:
        before = [module.training for module in model.modules()]
        case.ask(model, plan.asked)
        modes.append((before, [module.training for module in model.modules()]))
        changed.append((at, changed_adapters(model)))

    relearn.run(case, plan, score)
    assert [at for at, _ in changed] == [0, 1, 2]
    assert changed[0][1] == 0
    assert changed[1][1] > 20
    assert all(before == after for before, after in modes)


def test_relearning_an_adapter_begins_at_what_it_adds_to_its_base(
    case: Case, drawn: Benchmark, checkpoint: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relearn, "STEPS", (0, 1))
    torch.manual_seed(0)
    adapted = tune(families.load_model(str(checkpoint(1)), torch.float32), ["lm"], Lora(2, 64, 0.0))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    adapted.save_pretrained(tmp_path)
    families.load_processor(str(checkpoint(1))).save_pretrained(tmp_path)
    plan = WEIGHT_ATTACKS["relearn_half"].plan(drawn, case.split)
    answers: list[list[str]] = []

    def said(model: PebenchHf) -> list[str]:
        return answer_documents(model, plan.documents[:4], drawn.image, max_new_tokens=6)

    def score(at: Any, model: Any) -> None:
        model.eval()
        answers.append(said(PebenchHf.around(model, case.processor, "relearned", batch_size=4)))

    attacked = Case(str(tmp_path), None, drawn, case.split, CPU, torch.float32)
    relearn.run(attacked, plan, score)
    assert answers[0] == said(PebenchHf(str(tmp_path), device="cpu", batch_size=4))
    assert answers[0] != said(PebenchHf(str(checkpoint(1)), device="cpu", batch_size=4))


# The command


def test_the_record_holds_every_document_of_every_point(run: Run, drawn: Benchmark) -> None:
    found = run("relearn_half,rounding")
    split = drawn.split("person", 20)
    facts = {name: found[name] for name in ("format", "data", "split", "target", "forget")}
    assert facts == {
        "format": "pebench-attack/1", "data": drawn.fingerprint, "split": split.split_id, "target": "person",
        "forget": "forget20",
    }  # fmt: skip
    half = found["attacks"]["relearn_half"]
    assert [point["at"] for point in half["points"]] == [0, 2]
    assert half["access"] == "weights"
    assert not set(half["trained_on"]) & set(half["tested_on"])
    assert set(half["clusters"]) == set(half["tested_on"])
    for point in half["points"]:
        assert [*point["forget"], *point["retain"]] == half["tested_on"]
        assert set({**point["forget"], **point["retain"]}.values()) <= {0.0, 1.0}
    assert [point["at"] for point in found["attacks"]["rounding"]["points"]] == ["float32", "bfloat16", "int8", "int4"]


def test_the_budget_stands_before_the_first_point(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """One of two people is trained on (10 images) and the other asked (5 in D^f_test), beside one who stays."""
    run("relearn_half")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "relearn_half (access: weights): trains 2 steps of 8 on 10 samples, asks 5 forgotten and 5 retained documents "
        "2 times"
    )
    assert lines[1].startswith("relearn_half, 0: known forget 0.000, retain 0.000; ")
    assert lines[1].endswith(" s left")
    assert lines[-1].endswith(FILE)


def test_an_interrupted_command_goes_on_and_ends_as_if_it_had_not_been(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run("rounding,relearn_half", out="whole")
    asked, real = [], Case.ask

    def interrupted(case: Case, model: Any, what: Any) -> Any:
        asked.append(what)
        if len(asked) == 6:  # four levels of rounding, the first point of the other
            raise KeyboardInterrupt
        return real(case, model, what)

    monkeypatch.setattr(Case, "ask", interrupted)
    assert list(run("rounding,relearn_half", code=130)["attacks"]) == ["rounding"]
    capsys.readouterr()
    assert run("rounding,relearn_half") == whole
    assert capsys.readouterr().out.startswith("rounding: done already\nrelearn_half (access")
    count = len(asked)
    assert run("rounding,relearn_half") == whole
    assert len(asked) == count


def test_depth_lies_between_finetuned_and_goal(
    run: Run, checkpoint: Callable[[int], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint with Finetuned's weights has lost nothing, one with Goal's as much as Goal: 1 - UDS is 1, and 0."""
    same, other = str(checkpoint(1)), str(checkpoint(0))
    nothing = run("depth", "--finetuned", same, "--goal", other, out="nothing")["attacks"]["depth"]
    everything = run("depth", "--finetuned", other, "--goal", same, out="everything")["attacks"]["depth"]
    assert capsys.readouterr().out.startswith(
        "depth (access: inside): reads 10 forgotten and 10 retained documents once"
    )
    for found, wanted in ((nothing, 1.0), (everything, 0.0)):
        (point,) = found["points"]
        assert point["at"] == "whole model"
        assert [*point["forget"].values()] == pytest.approx([wanted] * len(point["forget"]), abs=1e-5)
        assert set(found["recipe"]) == {"tau", "known", "finetuned", "goal"}


def test_the_lens_reads_the_rank_of_the_name_at_four_depths(run: Run, case: Case, drawn: Benchmark) -> None:
    found = run("lens")["attacks"]["lens"]
    assert [point["at"] for point in found["points"]] == [0.25, 0.5, 0.75, 1.0]
    assert all(0 < value <= 1 for point in found["points"] for value in point["forget"].values())
    document = ask(drawn, case.split).forget[0]
    encoder = Encoder(case.processor, drawn.image)
    encoded = encoder(Question(document["image"], document["question"], f"This is {document['answer']}.", "one"))
    inputs = {key: encoded.tokens[key][None] for key in ("input_ids", "attention_mask")} | encoded.image
    model = case.load()
    ids = encoded.tokens["input_ids"].tolist()
    written = [case.processor.tokenizer.decode(ids[:end]) for end in range(len(ids) + 1)]
    behind = "This is "  # the first token that writes something of what follows
    place = next(end for end, text in enumerate(written) if len(text.partition(behind)[2]) > 0) - 1
    with torch.no_grad():
        logits = model(**inputs).logits[0, place - 1]
    rank = int((logits > logits[ids[place]]).sum())
    assert found["points"][-1]["forget"][document["key"]] == pytest.approx(1 / (1 + rank))


def test_relearn_stands_for_its_arms_and_half_leads() -> None:
    assert chosen(["relearn"]) == ARMS
    assert ARMS[0] == "relearn_half"
    assert chosen(["rounding", "relearn_same", "rounding"]) == ["rounding", "relearn_same"]


def said_of(run: Run, capsys: pytest.CaptureFixture[str], *words: Any, **options: Any) -> str:
    run(*words, code=1, **options)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    return line


def test_wrong_input_is_one_line(
    run: Run, benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = partial(said_of, run, capsys)
    assert "There is no attack 'relarn'. Did you mean relearn? Known: relearn, rounding, rescale" in said("relarn")
    assert "--attacks names no attack" in said(",")
    assert "rescale needs the model before unlearning:  --finetuned CKPT" in said("rescale")
    assert "depth needs a model that never knew:  --goal CKPT" in said("depth", "--finetuned", "x")
    assert "There is no forget ratio '3'" in said("rounding", "--forget", "3")
    assert "--max_new_tokens must be at least 1, not 0" in said("rounding", "--max_new_tokens", "0")
    assert "has 1. Leave it out, or choose a larger --forget." in said("relearn_half", "--forget", "5")
    assert "There is no benchmark folder" in said("rounding", "--data", str(tmp_path / "nosuch"))
    other, processor = tiny_model.build(benchmark, seed=0, image_size=32, vocabulary=300)
    other.save_pretrained(tmp_path / "other")
    processor.save_pretrained(tmp_path / "other")
    assert "are models of different form" in said("rescale", "--finetuned", str(tmp_path / "other"))


def test_a_record_of_another_checkpoint_or_recipe_is_kept(
    run: Run, checkpoint: Callable[[int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rescaled = ["--finetuned", str(checkpoint(0))]
    found = run("rescale", *rescaled)
    assert found["attacks"]["rescale"]["access"] == "inside"
    said = partial(said_of, run, capsys)
    assert "holds attacks with another target (person there, event here)" in said("rescale", *rescaled, target="event")
    assert "holds attacks with another max_new_tokens (4 there, 5 here)" in said("rounding", "--max_new_tokens", "5")
    assert "holds rescale by another recipe" in said("rescale", "--finetuned", str(checkpoint(2)))
    assert run("rescale", *rescaled) == found
    (tmp_path / "out" / FILE).write_text('{"format": "pebench-attack/1"}')
    assert "is damaged (KeyError('weights'))" in said("rounding")


def test_a_checkpoint_of_other_data_is_refused(run: Run, finetuned: Path, drawn: Benchmark) -> None:
    options = attack.parse(
        [str(finetuned), "--data", str(drawn.directory), "--target", "person", "--forget", "20", "--output_dir", "o"]
    )
    with pytest.raises(BenchmarkError, match="was trained on the benchmark"):
        attack.run(options)


def test_work_counts_answers_and_samples() -> None:
    """3 + 2 documents at 4 levels, and 10 steps of 8: 100."""
    doc: Any = {"key": "p000/e00/name"}
    plan = Plan(ask_of(doc, 3, 2), (0, 1, 2, 3), (), 10, 8)
    assert plan.work == 100


def ask_of(doc: Any, forget: int, retain: int) -> Any:
    return relearn.Asked([doc] * forget, [doc] * retain)
