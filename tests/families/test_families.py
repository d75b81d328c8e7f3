"""Every family learns, is scored and unlearns as LLaVA does: one row of checks a family, on a tiny model built here.

By default the whole row runs for the families whose ``runs`` says so, and for all what needs no training;
``--families`` runs everything. What a check measured goes to the page of supported families (see ``support_page``).
"""

from collections.abc import Callable, Iterator
from math import log
from pathlib import Path
from time import process_time
from typing import Any

import pytest
import torch
from backends.stock_runs import stock_share
from row import LORA, Row
from torch import nn

from pebench_tasks.backend import families
from unlearn import losses, methods
from unlearn.data.samples import Sample, SampleSet, ask, singles
from unlearn.data.sets import SetOptions, build_sets
from unlearn.tensors import batches, packing, parts
from unlearn.tensors.encoding import as_dtype, check_model_reads, pad_id
from unlearn.training.loading import load
from unlearn.training.run import Tuning, train

RIGHT = 15  # of 16
TUNINGS = ("full", "lora")
METHODS = [key for key in methods.METHODS if key not in ("finetune", "goal")]
HOW = [f"{method}-{tuning}" for method in (*METHODS, "bgd", "goal") for tuning in TUNINGS]


@pytest.fixture(autouse=True)
def _processor_seconds(record_property: Callable[[str, object], None]) -> Iterator[None]:
    started = process_time()
    yield
    record_property("seconds", round(process_time() - started, 2))


def swapped(samples: list[Sample]) -> list[Sample]:
    """The same questions, each answered by what belongs to another image."""
    return [
        sample._replace(answer=samples[(number + 5) % len(samples)].answer) for number, sample in enumerate(samples)
    ]


def adapted(model: nn.Module) -> set[str]:
    """The modules that carry adapters, by their names in the base model."""
    suffix = ".lora_A.default"
    names = [name for name, _ in model.named_modules() if name.endswith(suffix)]
    return {name.removesuffix(suffix).removeprefix("base_model.model.") for name in names}


# Labels


def test_labels_are_the_answer_and_its_end_token(row: Row, record_property: Callable[[str, object], None]) -> None:
    """For every kind of question about an image; behind the very tokens from which the model generates."""
    model, processor = row.family.build(row.texts)
    encoder = row.encoder_of(model, processor)
    for sample in [*row.names[::5], *row.scenes[::5], *row.yes_or_no[:2]]:
        for phrasing in (0, 3):
            question = ask(sample, phrasing % (4 if sample.question != "world_question" else 1))
            tokens = encoder(question).tokens
            answer, end = encoder.decode(tokens["labels"])
            assert (answer, bool(end)) == (question.answer, True)
            asked = tokens["labels"] == losses.IGNORED
            assert asked.nonzero().max() < (~asked).nonzero().min()
            image = row.benchmark.image(question.image)
            user = [{"type": "image", "image": image}, {"type": "text", "text": question.question}]
            generation = families.generation_inputs(processor, [[{"role": "user", "content": user}]])
            assert tokens["input_ids"][asked].tolist() == generation["input_ids"][0].tolist()
    questions = [ask(sample, 0) for sample in (row.names[0], row.scenes[5])]
    encoder.verify(questions)
    check_model_reads(model, encoder, questions[0])
    collated = batches.collate_set([[encoder(question)] for question in questions], pad_id(processor), False)
    record_property("model_type", model.config.model_type)
    record_property("note", families.case(processor).note)
    record_property("tokens", len(encoder(questions[0]).tokens["input_ids"]))
    record_property("flat", any(len(value) != 2 for value in collated["inputs"].values()))
    record_property("shares", packing.shares_prefix(model))


def test_questions_without_an_image_are_read(row: Row) -> None:
    """Those that SIU asks: the same labels, no image token, and the model reads them."""
    encoder = row.encoder
    for sample in row.text_only:
        encoded = encoder(ask(sample, 0))
        answer, end = encoder.decode(encoded.tokens["labels"])
        assert (answer, bool(end)) == (sample.answer, True)
    question = ask(row.text_only[0], 0)
    encoder.verify([question])
    check_model_reads(row.loaded[0], encoder, question)
    known = row.nll(row.loaded[0], row.text_only)
    assert 0 < known < 30


# The finetuned model


def test_the_finetuned_model_writes_the_answers(row: Row) -> None:
    for samples in (row.names, row.scenes):
        answers = row.answers(row.checkpoint, samples)
        right = sum(answer == sample.answer for answer, sample in zip(answers, samples, strict=True))
        assert right >= RIGHT, f"{right} of {len(samples)} right, such as {answers[0]!r} for {samples[0].answer!r}"


def test_answers_do_not_depend_on_the_batch(row: Row) -> None:
    """Names, scenes, yes/no and, where the family reads them, questions without an image, mixed."""
    without = [] if any("without_an_image" in limit for limit in row.family.limits) else row.text_only
    samples = [
        sample
        for group in zip(
            row.names[:6], row.scenes[:6], row.yes_or_no, (without * 6)[:6] or row.names[6:12], strict=True
        )
        for sample in group
    ]
    assert row.answers(row.checkpoint, samples, batch_size=8) == row.answers(row.checkpoint, samples, batch_size=1)


def test_a_reloaded_model_is_the_saved_one(row: Row) -> None:
    """Equal inputs from the processor, and equal logits."""
    _ = row.checkpoint
    model, processor = row.built
    encoder = row.encoder_of(model, processor)
    for sample in (row.names[0], row.scenes[0]):
        question = ask(sample, 0)
        ours, theirs = encoder(question), row.encoder(question)
        for mine, other in ((ours.tokens, theirs.tokens), (ours.image, theirs.image)):
            assert mine.keys() == other.keys()
            assert all(torch.equal(mine[key], other[key]) for key in mine)
        inputs = as_dtype(batches.collate_set([[ours]], pad_id(processor), False)["inputs"], model.dtype)
        with torch.no_grad():
            assert torch.equal(model.eval()(**inputs).logits, row.loaded[0](**inputs).logits)


# Adapters


def test_adapters_are_in_every_linear_layer_of_the_language_model_and_nowhere_else(row: Row) -> None:
    """Told by where a module lies, not by its name; routers and the head stay as they are."""
    model = row.family.build(row.texts)[0]
    text = parts.decoder(model)
    linear = {id(module) for module in text.modules() if isinstance(module, nn.Linear)}
    in_layers = {id(module) for module in text.layers.modules()}  # Phi-4 has its tower beside them, in the decoder
    names = {name: id(module) for name, module in model.named_modules()}
    wrapped = adapted(parts.tune(model, ["lm"], LORA))
    assert wrapped
    assert {names[name] for name in wrapped} <= linear
    missed = {name for name, module in names.items() if module in linear & in_layers} - wrapped
    assert not [name for name in missed if "router" not in name and not name.endswith("gate")]
    assert not [name for name in wrapped if "router" in name or "head" in name]


def test_adapters_learn_and_answer_like_the_merged_model(row: Row) -> None:
    """The answers change places; the folder of adapters and the folder of merged weights then give the same texts.

    And the same logits: nothing in the frozen parts has changed, such as the statistics of a tower with BatchNorm.
    """
    answers = swapped(row.names)
    before = row.nll(row.loaded[0], answers)
    folders: list[Path] = []
    for merge in (False, True):
        model, processor, _ = load(str(row.checkpoint), torch.float32)
        folders.append(
            train(
                model,
                processor,
                {"everything": SampleSet(singles(answers))},
                methods.METHODS["finetune"],
                row.options(row.folder / f"adapters-{merge}", max_steps=12, learning_rate=5e-3),
                load_image=row.benchmark.image,
                settings={"merge": merge},
                facts=row._facts("finetune"),
                tuning=Tuning(("lm",), LORA, merge),
            )
        )
    assert (folders[0] / "adapter_config.json").is_file()
    assert row.nll(load(str(folders[0]), torch.float32)[0].eval(), answers) < 0.8 * before
    samples = [*row.names[:8], *row.scenes[:4]]
    said = [row.answers(folder, samples) for folder in folders]
    assert said[0] == said[1]
    assert said[0] != row.answers(row.checkpoint, samples)
    alone, merged = (families.load_model(str(folder), torch.float32).eval() for folder in folders)
    start = dict(row.loaded[0].named_buffers())
    assert all(torch.equal(buffer, start[name]) for name, buffer in merged.named_buffers())
    for sample in (row.names[0], row.scenes[0]):
        torch.testing.assert_close(row.logits(alone, sample), row.logits(merged, sample), atol=1e-3, rtol=1e-3)


# Methods


@pytest.mark.parametrize("how", HOW)
def test_a_method_does_what_it_must(row: Row, how: str) -> None:
    """A few steps from the finetuned model: what is to be forgotten becomes less likely, what is put there likelier.

    A reference equals the model at the first step: then the KL is 0, and NPO's and DPO's loss is (2 / beta) log 2.
    """
    method, tuning = how.split("-")
    lora = tuning == "lora"
    base = row.loaded[0]
    forget = sets_of(row, "forget")
    trained = row.trained("gd" if method == "bgd" else method, lora=lora, balance=method == "bgd")
    terms: list[dict[str, Any]] = trained.trainer.history.losses
    assert len(terms) == 3
    assert all(torch.isfinite(parameter).all() for parameter in trained.model.parameters())
    if not lora:
        before = dict(base.named_parameters())
        moved = {
            parts.part_of(name)
            for name, parameter in trained.model.named_parameters()
            if not torch.equal(parameter, before[name])
        }
        assert moved == {"lm"}
    if method in ("ga", "gd", "kl", "npo", "simnpo", "bgd"):
        assert row.nll(trained.model, forget) > 1.5 * row.nll(base, forget)
    if method == "kl":  # adapters off run the same batch, with nothing at random in it
        assert terms[0]["retain"] == pytest.approx(0.0, abs=1e-7 if lora else 1e-4)
    if method == "npo":
        assert terms[0]["forget"] == pytest.approx(2 / 0.1 * log(2), rel=1e-3)
    if method == "dpo":
        beta = methods.default_hyperparameters(methods.METHODS["dpo"])["beta"]
        assert terms[0]["choices"] == pytest.approx(2 / beta * log(2), rel=1e-3)
        assert row.nll(trained.model, sets_of(row, "refusal")) < row.nll(base, sets_of(row, "refusal"))
    if method == "po":
        assert row.nll(trained.model, sets_of(row, "refusal")) < row.nll(base, sets_of(row, "refusal"))
    if method == "siu":
        assert row.nll(trained.model, sets_of(row, "swapped")) < row.nll(base, sets_of(row, "swapped"))
    if method == "rmu":
        assert terms[0]["retain"] == pytest.approx(0.0, abs=1e-4)
        assert terms[-1]["forget"] < terms[0]["forget"]
    if method == "goal":
        learned = {sample.image for unit in trained.trainer.positions.sets["remaining"].units for sample in unit}
        assert not learned & {sample.image for sample in forget}
        assert row.nll(trained.model, sets_of(row, "remaining")) < 0.5


def sets_of(row: Row, name: str) -> list[Sample]:
    """The samples of one of the sets that methods name."""
    built = build_sets(row.benchmark, [name], split=row.split, options=SetOptions(replay=0))
    return [sample for unit in built[name].units for sample in unit]


# Backends of the harness


def test_stock_backends_read_the_checkpoint(row: Row, record_property: Callable[[str, object], None]) -> None:
    """Each answers as ``pebench_hf`` does, or fails as it is known to; those in bfloat16 may miss a near tie."""
    if not row.family.stock:
        pytest.skip("the harness has no backend for this family")
    found: dict[str, float | str] = {}
    for stock in row.family.stock:
        called = f"{stock.backend} {stock.arguments}"
        try:
            found[called] = stock_share(row.checkpoint, row.benchmark, stock)
        except RuntimeError as error:
            found[called] = str(error).splitlines()[0]
    record_property("stock", found)
    expected = {f"{stock.backend} {stock.arguments}": stock.reads for stock in row.family.stock}
    read = {called: isinstance(share, float) and share >= RIGHT / 16 for called, share in found.items()}
    assert read == expected
