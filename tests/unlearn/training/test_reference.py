"""The reference without a second model: what a frozen copy would say, from adapters switched off or from disk."""

import copy
import json
import shutil
from collections.abc import Callable, Sequence
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration

from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question, Sample, ask
from unlearn.tensors import parts
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoded, Encoder, pad_id
from unlearn.tensors.forward import ModelAnswers, Reader, Reference
from unlearn.tensors.parts import Lora
from unlearn.training import reference, reference_store
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.reference import AdapterReference, StoredReference, behind_head, frozen_head
from unlearn.training.reference_store import ReferenceCache, identity

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
def cache(tmp_path: Path) -> ReferenceCache:
    return ReferenceCache(tmp_path / "cache", FACTS)


@pytest.fixture
def fill(model: Model, encoder: Encoder) -> Callable[..., int]:
    def fill(
        cache: ReferenceCache, chosen: Sequence[Question], kinds: set[str] = KINDS, *, rows: int = 2, top_k: int = 0,
        share_prefix: bool = True, **changes: Any,
    ) -> int:  # fmt: skip
        wanted = dict.fromkeys(chosen, kinds)
        reader = Reader(model, model)
        computed = reference.fill(
            cache, wanted, reader, encoder, rows=rows, top_k=top_k, share_prefix=share_prefix, device=CPU, **changes
        )
        cache.reload()
        return computed

    return fill


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


def with_values(encoder: Encoder, cache: ReferenceCache, units: Sequence[Sequence[Question]], packed: bool) -> Batch:
    """The batch as the data loader makes it: every sample with its stored values."""

    def encode(question: Question) -> Encoded:
        one = encoder(question)
        return one._replace(sample={**one.sample, **cache.attach(question, KINDS)})

    encoded = [[encode(question) for question in unit] for unit in units]
    return collate_set(encoded, pad_id(encoder.processor), packed)


def about_one_image(chosen: Sequence[Question]) -> list[list[Question]]:
    images = dict.fromkeys(question.image for question in chosen)
    return [[question for question in chosen if question.image == image] for image in images]


# What it says


@pytest.mark.parametrize("rows", [1, 8])
@pytest.mark.parametrize("share_prefix", [False, True])
def test_stored_values_are_those_of_a_frozen_copy(
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question], cache: ReferenceCache,
    fill: Callable[..., int], second_model: Callable[..., Reference], rows: int, share_prefix: bool,
) -> None:  # fmt: skip
    copied = second_model(model)
    head = frozen_head(model)
    assert fill(cache, chosen, rows=rows, share_prefix=share_prefix) == len(chosen)
    change(model)
    for units, packed in (([[question] for question in chosen], False), (about_one_image(chosen), True)):
        batch, plain = with_values(encoder, cache, units, packed), collated(units, packed)
        for split in (False, True):
            found = ask_all(model, batch, StoredReference(head), split=split)
            expected = ask_all(model, plain, copied, split=split)
            for question in ASKED:
                torch.testing.assert_close(found[question], expected[question], rtol=1e-4, atol=2e-5, msg=question)


def test_questions_without_an_image_have_reference_values_too(
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question], cache: ReferenceCache,
    fill: Callable[..., int], second_model: Callable[..., Reference],
) -> None:  # fmt: skip
    sample = Sample("", "fact_question", (("name", "Ada Byron"), ("fact", "age")), "Ada Byron is 36.", "p/facts/age")
    texts = [ask(sample, phrasing) for phrasing in range(4)]
    assert fill(cache, [*texts, *chosen]) == 4 + len(chosen)
    head = frozen_head(model)
    units = [[question] for question in texts]
    found = ask_all(model, with_values(encoder, cache, units, False), StoredReference(head))
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


def test_a_method_without_a_reference_opens_no_cache(make: MakeTrainer, tmp_path: Path) -> None:
    assert make("gd").reference_kind == "none"
    assert not (tmp_path / "reference").exists()


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
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question], fill: Callable[..., int],
    second_model: Callable[..., Reference], tmp_path: Path,
) -> None:  # fmt: skip
    copied, start = second_model(model), {name: value.clone() for name, value in model.state_dict().items()}
    units = [[question] for question in chosen]
    vocabulary = model.config.text_config.vocab_size
    found = []
    for k in (1, 10, 100, vocabulary):
        model.load_state_dict(start)
        cache = ReferenceCache(tmp_path / str(k), {**FACTS, "top_k": k})
        fill(cache, chosen, reference.kinds({"kl"}, k), top_k=k)
        change(model)
        encoded = [[encoder(question)._replace(sample=cache.attach(question, {"top_values", "top_indices"}))]
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


# The folder


def test_values_survive_the_disk_bit_for_bit(cache: ReferenceCache, chosen: list[Question]) -> None:
    for number, dtype in enumerate((torch.float32, torch.bfloat16, torch.float16, torch.int64)):
        kind = f"activations-{number}"
        values = [(torch.randn(rows, 3) * 100).to(dtype) for rows in (2, 1, 4)]
        with cache.writer(kind) as writer:
            writer.add(list(zip(chosen, values[:2], strict=False)))
            writer.add([(chosen[2], values[2])])
        for known in (cache, ReferenceCache(cache.directory, FACTS)):
            known.reload()
            for question, expected in zip(chosen, values, strict=False):
                assert torch.equal(known.value(kind, question), expected)
                assert known.value(kind, question).dtype == dtype
            assert known.missing(kind, chosen) == chosen[3:]


def test_a_value_depends_on_the_image_the_wording_and_the_answer_alone(chosen: list[Question]) -> None:
    one = chosen[0]
    for name in ("image", "question", "answer"):
        assert identity(one._replace(**{name: "other"})) != identity(one)
    for name, value in (("key", "other"), ("contradicts", "x"), ("erased", ("x",))):
        assert identity(one._replace(**{name: value})) == identity(one)


def test_what_is_stored_is_not_computed_again(
    cache: ReferenceCache, chosen: list[Question], fill: Callable[..., int], model: Model
) -> None:
    assert fill(cache, chosen[:3]) == 3
    before = [cache.value("hidden", question) for question in chosen[:3]]
    again = ReferenceCache(cache.directory, FACTS)
    assert fill(again, chosen) == 2
    model.register_forward_hook(lambda module, given, out: pytest.fail("the model ran"))
    assert fill(ReferenceCache(cache.directory, FACTS), chosen) == 0
    for question, value in zip(chosen, before, strict=False):
        assert torch.equal(again.value("hidden", question), value)


def test_a_second_run_computes_nothing(make: MakeTrainer, tmp_path: Path) -> None:
    made = make("kl", max_steps=3)
    made.train()

    def opened() -> ReferenceCache:
        return ReferenceCache(tmp_path / "reference", {"weights": "tiny"})

    files = {path: path.read_bytes() for path in (tmp_path / "reference").iterdir()}
    second = make("kl", max_steps=3)
    assert second.prepare_reference(opened) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "reference").iterdir()} == files
    second.train()
    assert second.history.losses == made.history.losses


def test_every_question_of_the_run_is_stored_and_no_more(make: MakeTrainer, tmp_path: Path) -> None:
    made = make("kl", max_steps=3)
    drawn = {question for position in range(3 * 8) for question in made.positions.at("retain", position)}
    indices = list((tmp_path / "reference").glob("hidden-*.jsonl"))
    stored = [json.loads(line)[0] for index in indices for line in index.read_text().splitlines()[1:]]
    assert sorted(stored) == sorted(map(identity, drawn))


def test_an_interrupted_pass_goes_on(
    cache: ReferenceCache, chosen: list[Question], fill: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    add = reference_store._Writer.add
    calls = []

    def killed(self: Any, entries: Any) -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        add(self, entries)

    with monkeypatch.context() as patch:
        patch.setattr(reference_store._Writer, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            fill(cache, chosen, {"hidden"}, rows=1, share_prefix=False)
    assert fill(ReferenceCache(cache.directory, FACTS), chosen, {"hidden"}) == len(chosen) - 2


def test_a_line_that_was_cut_off_is_passed_over(
    cache: ReferenceCache, chosen: list[Question], fill: Callable[..., int]
) -> None:
    fill(cache, chosen, {"hidden"})
    (index,) = cache.directory.glob("*.jsonl")
    index.write_text(index.read_text()[:-10])
    assert fill(ReferenceCache(cache.directory, FACTS), chosen, {"hidden"}) == 1


@pytest.mark.parametrize("late", [False, True])
def test_processes_share_the_work_even_if_one_opens_the_folder_late(
    cache: ReferenceCache, fill: Callable[..., int], questions: list[Question], late: bool
) -> None:
    every = questions[::4][:20]
    second = ReferenceCache(cache.directory, FACTS)
    computed = fill(cache, every, {"logp"}, share=(0, 2))
    if late:  # it sees what the first has stored already
        second = ReferenceCache(cache.directory, FACTS)
    assert 0 < computed < 20
    assert computed + fill(second, every, {"logp"}, share=(1, 2)) == 20
    second.reload()
    assert not second.missing("logp", every)


def test_a_folder_opened_while_another_process_writes_has_all_values_after_a_reload(
    cache: ReferenceCache, questions: list[Question]
) -> None:
    first, second = questions[0], questions[4]
    with cache.writer("logp") as writer:
        writer.add([(first, torch.ones(1, 1))])
        opened = ReferenceCache(cache.directory, FACTS)
        assert opened.missing("logp", [first, second]) == [second]
        writer.add([(second, torch.full((1, 1), 2.0))])
    opened.reload()
    assert [opened.value("logp", question).item() for question in (first, second)] == [1.0, 2.0]


def test_a_value_that_is_not_there_is_one_clear_error(cache: ReferenceCache, chosen: list[Question]) -> None:
    with pytest.raises(BenchmarkError, match=f"lacks logp of {chosen[0].key}"):
        cache.value("logp", chosen[0])


@pytest.mark.parametrize("fact", list(FACTS))
def test_a_folder_of_another_run_is_refused(cache: ReferenceCache, fact: str) -> None:
    with pytest.raises(BenchmarkError, match=rf"another run's \({fact} {FACTS[fact]} there, 9 here\)"):
        ReferenceCache(cache.directory, {**FACTS, fact: "9"})


def test_a_folder_of_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("do not delete")
    with pytest.raises(BenchmarkError, match="is no reference cache"):
        ReferenceCache(tmp_path, FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(BenchmarkError):
        ReferenceCache(tmp_path / "cache", FACTS)


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    ReferenceCache(tmp_path / "cache", FACTS)
    assert (tmp_path / "cache" / "reference.json").is_file()


def values(cache: ReferenceCache, chosen: Sequence[Question]) -> list[Tensor]:
    return [cache.value("hidden", question) for question in chosen]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("hidden-*.bin", Path.unlink),
        ("hidden-*.bin", lambda path: path.write_bytes(path.read_bytes()[:-4])),
        ("hidden-*.bin", lambda path: path.write_bytes(b"")),
        ("hidden-*.bin", flip),
        ("hidden-*.jsonl", lambda path: path.write_text("{}\n" + path.read_text())),
        ("hidden-*.jsonl", lambda path: path.write_text("[1]\n[2]\n")),
        ("hidden-*.jsonl", lambda path: path.write_bytes(b"\xff\xfe\n")),
        ("reference.json", Path.unlink),
        ("reference.json", lambda path: path.write_text("{")),
        ("reference.json", lambda path: path.write_text("[]")),
        ("reference.json", lambda path: path.write_text("")),
    ],
    ids=["bin missing", "bin cut", "bin empty", "bin changed", "index head", "index rows", "index bytes",
         "facts lost", "facts cut", "facts a list", "facts empty"],
)  # fmt: skip
def test_a_damaged_folder_is_one_clear_error(
    cache: ReferenceCache, chosen: list[Question], fill: Callable[..., int], pattern: str,
    damage: Callable[[Path], Any],
) -> None:  # fmt: skip
    fill(cache, chosen)
    (path,) = cache.directory.glob(pattern)
    damage(path)
    with pytest.raises(BenchmarkError, match=r"[Dd]elete"):
        values(ReferenceCache(cache.directory, FACTS), chosen)


def test_a_file_that_shrinks_while_it_is_read_is_one_clear_error(
    cache: ReferenceCache, chosen: list[Question], fill: Callable[..., int]
) -> None:
    fill(cache, chosen, {"hidden"})
    (path,) = cache.directory.glob("*.bin")
    with path.open("r+b") as file:
        file.truncate(4)
    with pytest.raises(BenchmarkError, match="is damaged"):
        values(cache, chosen)


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
    model: Model, encoder: Encoder, collated: Collated, chosen: list[Question], cache: ReferenceCache,
    fill: Callable[..., int], second_model: Callable[..., Reference], how: Callable[[Tensor], Tensor],
) -> None:  # fmt: skip
    """Scaled (Cohere, Granite) and capped (Gemma) logits are not what the head made of the stored hidden states."""
    bend(model, how)
    copied = second_model(model)
    units = [[question] for question in chosen]
    behind = behind_head(Reader(model, model), collated(units))
    assert behind is not None
    stored = StoredReference(frozen_head(model), behind=behind)
    fill(cache, chosen)
    change(model)
    batch = with_values(encoder, cache, units, False)
    torch.testing.assert_close(stored.logits(batch), copied.logits(collated(units)), rtol=1e-4, atol=1e-4)
    found, expected = ask_all(model, batch, stored), ask_all(model, collated(units), copied)
    for question in ASKED:
        torch.testing.assert_close(found[question], expected[question], rtol=1e-4, atol=2e-5, msg=question)


def test_a_model_whose_logits_are_its_heads_outputs_is_not_run_for_them(
    model: Model, collated: Collated, chosen: list[Question]
) -> None:
    assert behind_head(Reader(model, model), collated([[question] for question in chosen])) is None


def test_filling_leaves_the_model_in_training_with_no_gradients(
    model: Model, cache: ReferenceCache, chosen: list[Question], fill: Callable[..., int]
) -> None:
    before = copy.deepcopy(model.state_dict())
    model.train()
    fill(cache, chosen)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    shutil.rmtree(cache.directory)
