"""The reference without a second model: what a frozen copy would say, from adapters switched off or computed before."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question, Sample, ask
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoded, Encoder, pad_id
from unlearn.tensors.forward import ModelAnswers, Reader, Reference
from unlearn.tensors.parts import Lora
from unlearn.training import reference
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.reference import AdapterReference, StoredReference, behind_head, frozen_head
from unlearn.training.reference_store import NAME, ReferenceFolder, ReferenceValues, identity

Collated = Callable[..., Batch]
MakeTrainer = Callable[..., MethodTrainer]
Model = LlavaForConditionalGeneration
ASKED = ("reference_logp", "kl", "dual_masked_kl", "reference_activations/1")
KINDS = {"logp", "hidden", "activations-1"}
FACTS = {"weights": "w", "data": "d", "template": "t", "dtype": "float32", "top_k": 0}
CPU = torch.device("cpu")


@pytest.fixture
def chosen(questions: list[Question]) -> list[Question]:
    """Names and descriptions of two images."""
    return [questions[0], questions[5], questions[2], questions[8], questions[13]]


@pytest.fixture
def folder(tmp_path: Path) -> ReferenceFolder:
    return ReferenceFolder(tmp_path / "cache", FACTS)


@pytest.fixture
def compute(model: Model, encoder: Encoder) -> Callable[..., ReferenceValues]:
    def compute(
        chosen: Sequence[Question], kinds: set[str] = KINDS, *, rows: int = 2, top_k: int = 0,
        share_prefix: bool = True,
    ) -> ReferenceValues:  # fmt: skip
        wanted = dict.fromkeys(chosen, kinds)
        return reference.compute(
            wanted, Reader(model, model), encoder, rows=rows, top_k=top_k, share_prefix=share_prefix, device=CPU
        )

    return compute


def change(model: Any) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)


def ask_all(
    model: Any, batch: Batch, chosen_reference: Reference, asked: Sequence[str] = ASKED, **changes: Any
) -> dict[str, Tensor]:
    answers = ModelAnswers(Reader(model, model), batch, chosen_reference, **changes)
    with torch.no_grad():
        return {
            question: answers.reference_activations(1) if "/" in question else getattr(answers, question)()
            for question in asked
        }


def with_values(encoder: Encoder, values: ReferenceValues, units: Sequence[Sequence[Question]], packed: bool) -> Batch:
    """The batch as the data loader makes it: every sample with its stored values."""

    def encode(question: Question) -> Encoded:
        one = encoder(question)
        return one._replace(sample={**one.sample, **values.attach(question, KINDS)})

    encoded = [[encode(question) for question in unit] for unit in units]
    return collate_set(encoded, pad_id(encoder.processor), packed)


def about_one_image(chosen: Sequence[Question]) -> list[list[Question]]:
    images = dict.fromkeys(question.image for question in chosen)
    return [[question for question in chosen if question.image == image] for image in images]


# What it says


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("share_prefix", [False, True])
def test_stored_values_are_those_of_a_frozen_copy(
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question],
    compute: Callable[..., ReferenceValues], second_model: Callable[..., Reference], rows: int, share_prefix: bool,
) -> None:  # fmt: skip
    copied = second_model(model)
    head = frozen_head(model)
    values = compute(chosen, rows=rows, share_prefix=share_prefix)
    change(model)
    for units, packed in (([[question] for question in chosen], False), (about_one_image(chosen), True)):
        batch, plain = with_values(encoder, values, units, packed), collated(units, packed)
        for split in (False, True):
            found = ask_all(model, batch, StoredReference(head), split=split)
            expected = ask_all(model, plain, copied, split=split)
            for question in ASKED:
                torch.testing.assert_close(found[question], expected[question], rtol=1e-4, atol=2e-5, msg=question)


def test_questions_without_an_image_have_reference_values_too(
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question],
    compute: Callable[..., ReferenceValues], second_model: Callable[..., Reference],
) -> None:  # fmt: skip
    sample = Sample("", "fact_question", (("name", "Ada Byron"), ("fact", "age")), "Ada Byron is 36.", "p/facts/age")
    texts = [ask(sample, phrasing) for phrasing in range(4)]
    values = compute([*texts, *chosen])
    head = frozen_head(model)
    units = [[question] for question in texts]
    found = ask_all(model, with_values(encoder, values, units, False), StoredReference(head))
    expected = ask_all(model, collated(units), second_model(model))
    for question in ASKED:
        torch.testing.assert_close(found[question], expected[question], rtol=1e-4, atol=2e-5, msg=question)


def test_an_adapter_switched_off_is_the_base_and_is_switched_on_again(
    model: Model, collated: Collated, chosen: list[Question], second_model: Callable[..., Reference]
) -> None:
    copied = second_model(model)
    adapted = parts.tune(model, ["lm", "projector"], Lora(4, 8, 0.5)).train()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    batch = collated([[question] for question in chosen])
    adapters_off = AdapterReference(Reader(adapted, adapted))
    assert not adapters_off.logits(batch).requires_grad
    assert not adapters_off.activations(batch, 1).requires_grad
    assert adapted.training
    adapted.eval()  # no dropout in the model itself, so that both differ by their reference alone
    found, expected = (ask_all(adapted, batch, chosen_reference) for chosen_reference in (adapters_off, copied))
    for question in ASKED:
        torch.testing.assert_close(found[question], expected[question], rtol=1e-4, atol=1e-5, msg=question)
    assert found["kl"] > 0.01
    assert all(p.requires_grad for name, p in adapted.named_parameters() if "lora_" in name)


@pytest.mark.parametrize("lora", [None, Lora(4, 8, 0.0)])
@pytest.mark.parametrize(
    ("method", "term", "expected"),
    [("kl", "retain", 0.0), ("npo", "forget", 2 / 0.1 * log(2)), ("dpo", "choices", 2 / 0.1 * log(2))],
)
def test_the_first_step_is_taken_at_the_reference(
    make: MakeTrainer, method: str, term: str, expected: float, lora: Lora | None
) -> None:
    made = make(method, target="joint", lora=lora, questions_per_image=2, max_steps=2)
    assert made.reference_kind == ("adapters off" if lora else "stored")
    made.train()
    at_first, later = (row[term] for row in made.history.losses)
    assert at_first == pytest.approx(expected, abs=2e-5)
    assert abs(later - expected) > 1e-4


def test_a_method_without_a_reference_opens_no_folder(make: MakeTrainer) -> None:
    made = make("gd")
    assert made.prepare_reference(lambda: pytest.fail("it was opened")) == 0
    assert made.reference_kind == "none"


def test_the_frozen_head_stays_while_the_models_own_is_trained(make: MakeTrainer) -> None:
    made = make("kl", max_steps=2)
    before = made.core.lm_head.weight.detach().clone()
    made.train()
    assert isinstance(made.reference, StoredReference)
    assert torch.equal(made.reference._head.weight, before)  # type: ignore[arg-type]
    assert not made.reference._head.weight.requires_grad
    assert not torch.equal(made.core.lm_head.weight, before)


def test_a_head_that_is_not_trained_is_not_copied(model: Model) -> None:
    assert frozen_head(parts.tune(model, ["projector"])) is model.lm_head


# Top K


def test_the_top_k_divergence_is_a_lower_bound_whose_error_falls_with_k(
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question],
    compute: Callable[..., ReferenceValues], second_model: Callable[..., Reference],
) -> None:  # fmt: skip
    copied, start = second_model(model), {name: value.clone() for name, value in model.state_dict().items()}
    units = [[question] for question in chosen]
    vocabulary = model.config.text_config.vocab_size
    found = []
    for k in (1, 10, 100, vocabulary):
        model.load_state_dict(start)
        values = compute(chosen, reference.kinds({"kl"}, k), top_k=k)
        change(model)
        encoded = [[encoder(question)._replace(sample=values.attach(question, {"top_values", "top_indices"}))]
                   for question in chosen]  # fmt: skip
        batch = collate_set(encoded, 0, False)
        assert batch["reference_top_values"].shape[1] == k
        found.append(ask_all(model, batch, StoredReference(model.lm_head), ["kl"])["kl"].item())
    exact = ask_all(model, collated(units), copied, ["kl"])["kl"].item()
    errors = [exact - value for value in found]
    assert errors[-1] == pytest.approx(0, abs=1e-5)
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > errors[1] > errors[2] > 1e-4


def test_top_k_trains_kl_and_is_refused_where_it_has_no_effect(make: MakeTrainer) -> None:
    made = make("kl", top_k=20, max_steps=2)
    made.train()
    assert made.history.losses[0]["retain"] == pytest.approx(0, abs=1e-5)
    with pytest.raises(BenchmarkError, match="reference_top_k serves the method kl only; this one asks for reference_"):
        make("npo", top_k=20)
    with pytest.raises(BenchmarkError, match="has no effect with --lora"):
        make("kl", top_k=20, lora=Lora(4, 8, 0.0))


# What is computed, and where it is kept


def test_a_value_depends_on_the_image_the_wording_and_the_answer_alone(chosen: list[Question]) -> None:
    one = chosen[0]
    for name in ("image", "question", "answer"):
        assert identity(one._replace(**{name: "other"})) != identity(one)
    for name, value in (("key", "other"), ("contradicts", "x"), ("erased", ("x",))):
        assert identity(one._replace(**{name: value})) == identity(one)


def test_every_question_of_the_run_is_asked_and_no_more(make: MakeTrainer) -> None:
    made = make("kl", max_steps=3)
    drawn = {identity(question) for position in range(3 * 8) for question in made.positions.at("retain", position)}
    assert made.positions.values is not None
    assert made.positions.values.places.keys() == {"hidden"}
    assert made.positions.values.places["hidden"].keys() == drawn


def test_a_process_asks_what_it_draws_itself(make: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes with batches of 2, the second draws 2, 3, 6, 7, ...; together they draw all."""
    plan = make("gd", max_steps=2, per_device_train_batch_size=2).plan
    for name, value in (("world_size", 2), ("process_index", 1)):
        monkeypatch.setattr(type(plan.arguments), name, value)
    plan = replace(plan, positions_a_step=4)
    assert plan.own_positions == [2, 3, 6, 7]


def test_values_survive_the_disk_bit_for_bit(folder: ReferenceFolder, chosen: list[Question]) -> None:
    """Of every precision, of questions with several rows, from two files."""
    dtypes = {f"activations-{n}": d for n, d in enumerate((torch.float32, torch.bfloat16, torch.float16, torch.int64))}
    written = []
    for questions in (chosen[:2], chosen[2:3]):
        values = ReferenceValues()
        for kind, dtype in dtypes.items():
            places = {identity(question): (3 * number, 3) for number, question in enumerate(questions)}
            values.add(kind, (torch.randn(3 * len(questions), 5) * 100).to(dtype), places)
        folder.write(values)
        written.append((questions, values))
    read = ReferenceFolder(folder.directory, FACTS).read({question: set(dtypes) for question in chosen})
    for questions, values in written:
        for kind, dtype in dtypes.items():
            for question in questions:
                assert torch.equal(read.value(kind, question), values.value(kind, question))
                assert read.value(kind, question).dtype == dtype
    assert read.lacks("activations-0", chosen[3])


def test_of_a_folder_that_runs_share_only_what_is_wanted_is_read(
    folder: ReferenceFolder, compute: Callable[..., ReferenceValues], chosen: list[Question]
) -> None:
    """Of each question the kinds it needs, once, whichever files hold them."""
    whole = compute(chosen)
    folder.write(whole)
    folder.write(whole)
    wanted: dict[Question, set[str]] = {chosen[3]: {"hidden"}, chosen[1]: {"hidden", "logp"}}
    values = ReferenceFolder(folder.directory, FACTS).read(wanted)
    assert {kind: set(places) for kind, places in values.places.items()} == {
        "hidden": {identity(chosen[1]), identity(chosen[3])},
        "logp": {identity(chosen[1])},
    }
    for question, kinds in wanted.items():
        for kind in kinds:
            assert torch.equal(values.value(kind, question), whole.value(kind, question))
    assert len(values.rows["logp"]) == 1
    assert len(values.rows["hidden"]) == sum(len(whole.value("hidden", chosen[number])) for number in (1, 3))


def test_what_is_kept_is_not_computed_again(make: MakeTrainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> ReferenceFolder:
        return ReferenceFolder(tmp_path / "kept", {"weights": "tiny"})

    first = make("kl", max_steps=3)
    computed = first.prepare_reference(opened)
    first.train()
    files = {path: path.read_bytes() for path in (tmp_path / "kept").iterdir()}
    second, longer = make("kl", max_steps=3), make("kl", max_steps=4)
    assert 0 < longer.prepare_reference(opened) < computed
    monkeypatch.setattr(reference, "_values_of", lambda *_: pytest.fail("the model ran"))
    assert second.prepare_reference(opened) == 0
    assert files.items() <= {path: path.read_bytes() for path in (tmp_path / "kept").iterdir()}.items()
    second.train()
    assert second.history.losses == first.history.losses


def test_the_loader_may_read_ahead_of_the_last_position(make: MakeTrainer) -> None:
    """Of two processes the last position of all is the other's, so that there are no values for it here."""
    made = make("kl", max_steps=3, per_device_train_batch_size=2)
    made.positions.last = 3
    assert (
        made.positions[9]["retain"][0]
        .sample["reference_hidden"]
        .equal(made.positions[3]["retain"][0].sample["reference_hidden"])
    )


@pytest.mark.parametrize("fact", list(FACTS))
def test_a_folder_of_another_run_is_refused(
    folder: ReferenceFolder, compute: Callable[..., ReferenceValues], chosen: list[Question], fact: str
) -> None:
    folder.write(compute(chosen, {"logp"}))
    with pytest.raises(BenchmarkError, match=rf"another run's \({fact} {FACTS[fact]} there, 9 here\)"):
        ReferenceFolder(folder.directory, {**FACTS, fact: "9"}).read({chosen[0]: {"logp"}})


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not delete")
    with pytest.raises(BenchmarkError, match="is no reference cache"):
        ReferenceFolder(tmp_path, FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BenchmarkError, match="is a file"):
        ReferenceFolder(tmp_path / "cache", FACTS)


def test_what_a_killed_process_left_is_passed_over(folder: ReferenceFolder, chosen: list[Question]) -> None:
    (folder.directory / f"{NAME}1.partial").write_bytes(b"half")
    assert not ReferenceFolder(folder.directory, FACTS).read(dict.fromkeys(chosen, KINDS)).rows


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-4]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\xff" * 64),
        lambda path: save_file({"logp": torch.zeros(1, 1)}, path),
        lambda path: save_file({"logp": torch.zeros(1, 1)}, path, {"places": "["}),
    ],
    ids=["cut", "empty", "something else", "weights of a model", "places cut"],
)
def test_a_damaged_file_is_one_clear_error(
    folder: ReferenceFolder, compute: Callable[..., ReferenceValues], chosen: list[Question],
    damage: Callable[[Path], Any],
) -> None:  # fmt: skip
    folder.write(compute(chosen))
    (path,) = folder.directory.iterdir()
    damage(path)
    with pytest.raises(BenchmarkError, match=r"is damaged. Delete it"):
        ReferenceFolder(folder.directory, FACTS).read(dict.fromkeys(chosen, KINDS))


def bend(model: Any, how: Callable[[Tensor], Tensor]) -> None:
    """Let the model do something to what its head says."""

    class Bent(LlavaForConditionalGeneration):
        def forward(self, *given: Any, **named: Any) -> Any:
            out: Any = super().forward(*given, **named)
            out.logits = how(out.logits)
            return out

    model.__class__ = Bent


@pytest.mark.parametrize("how", [lambda logits: logits * 0.0625, lambda logits: 3 * torch.tanh(logits / 3)])
def test_what_a_model_does_behind_its_head_the_reference_does_too(
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question],
    compute: Callable[..., ReferenceValues], second_model: Callable[..., Reference], how: Callable[[Tensor], Tensor],
) -> None:  # fmt: skip
    """Scaled (Cohere, Granite) and capped (Gemma) logits are not what the head made of the stored hidden states."""
    bend(model, how)
    copied = second_model(model)
    units = [[question] for question in chosen]
    behind = behind_head(Reader(model, model), collated(units))
    assert behind is not None
    stored = StoredReference(frozen_head(model), behind=behind)
    values = compute(chosen)
    change(model)
    batch = with_values(encoder, values, units, False)
    torch.testing.assert_close(stored.logits(batch), copied.logits(collated(units)), rtol=1e-4, atol=1e-4)
    found, expected = ask_all(model, batch, stored), ask_all(model, collated(units), copied)
    for question in ASKED:
        torch.testing.assert_close(found[question], expected[question], rtol=1e-4, atol=2e-5, msg=question)


def test_a_model_whose_logits_are_its_heads_outputs_is_not_run_for_them(
    model: Model, collated: Collated, chosen: list[Question]
) -> None:
    assert behind_head(Reader(model, model), collated([[question] for question in chosen])) is None


def test_computing_leaves_the_model_in_training_with_no_gradients(
    model: Model, chosen: list[Question], compute: Callable[..., ReferenceValues]
) -> None:
    before = copy.deepcopy(model.state_dict())
    model.train()
    compute(chosen)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
