import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question, SampleSet, singles
from unlearn.data.sets import everything
from unlearn.losses import IGNORED
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoder, pad_id
from unlearn.tensors.layers import drops, ranks


def changed(model: Any, seed: int) -> Any:
    """A copy whose decoder's weights differ."""
    other = copy.deepcopy(model)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in other.get_decoder().parameters():
            parameter.add_(0.2 * torch.randn_like(parameter) * parameter.std().nan_to_num())
    return other


@pytest.fixture(scope="module")
def models(tiny: Any) -> tuple[Any, Any, Any]:
    """Three different models of one architecture, in evaluation mode."""
    model = tiny[0].eval()
    return model, changed(model, 1), changed(model, 2)


@pytest.fixture(scope="module")
def questions(benchmark: Benchmark) -> list[Question]:
    rows = everything(benchmark)[:4]
    return [question for place in range(4) for question in SampleSet(singles(rows)).at(place, "0")]


@pytest.fixture(scope="module")
def batch(encoder: Encoder, questions: list[Question]) -> Batch:
    return collate_set([[encoder(question)] for question in questions], pad_id(encoder.processor), share_prefix=False)


class Patched(nn.Module):
    """A layer whose outputs from one position on are others'."""

    def __init__(self, layer: nn.Module, start: int, outputs: Tensor) -> None:
        super().__init__()
        self.layer, self.start, self.outputs = layer, start, outputs

    def forward(self, *inputs: Any, **named: Any) -> Tensor:
        whole: Tensor = self.layer(*inputs, **named)
        return torch.cat([whole[:, : self.start], self.outputs, whole[:, self.start + self.outputs.shape[1] :]], dim=1)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.layer, name)


def stopped_before_norm(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """What the last layer of the decoder says: the decoder's output with nothing in the norm's place."""
    decoder = model.get_decoder()
    norm, decoder.norm = decoder.norm, nn.Identity()
    hidden: Tensor = model.model(**inputs).last_hidden_state
    decoder.norm = norm
    return hidden


def slow_drops(full: Any, source: Any, question: Question, encoder: Encoder) -> list[float]:
    """One question alone, without padding; the source's outputs are what transformers returns."""
    encoded = encoder(question)
    labels = encoded.tokens["labels"]
    start, answer = int((labels != IGNORED).nonzero()[0]), labels[labels != IGNORED]
    inputs = {k: v[None] for k, v in encoded.tokens.items() if k in ("input_ids", "attention_mask")} | encoded.image

    def answered(model: Any) -> Tensor:
        logits = model(**inputs).logits[0, start - 1 : -1]
        return logits.log_softmax(-1)[torch.arange(len(answer)), answer]

    layers, found = full.get_decoder().layers, []
    with torch.no_grad():
        plain = answered(full)
        for place in range(len(layers)):
            seen = source(**inputs, output_hidden_states=True).hidden_states[place + 1]
            if place == len(layers) - 1:  # the last one stands behind the norm
                seen = stopped_before_norm(source, inputs)
            original = layers[place]
            layers[place] = Patched(original, start - 1, seen[:, start - 1 : start - 1 + len(answer)])
            found.append(float((plain - answered(full)).mean()))
            layers[place] = original
    return found


def test_drops_equal_those_of_each_question_alone(
    models: tuple[Any, Any, Any], batch: Batch, questions: Sequence[Question], encoder: Encoder
) -> None:
    full, goal, model = models
    for source in (goal, model):
        found = drops(full, source, batch)
        assert len(found) == len(questions)
        for row, question in zip(found, questions, strict=True):
            assert row == pytest.approx(slow_drops(full, source, question, encoder), abs=1e-5)
        assert any(abs(value) > 0.01 for row in found for value in row)


def test_a_model_loses_nothing_with_its_own_outputs(models: tuple[Any, Any, Any], batch: Batch) -> None:
    for row in drops(models[0], models[0], batch):
        assert row == pytest.approx([0.0] * len(row), abs=1e-6)


def test_models_of_another_depth_are_refused(models: tuple[Any, Any, Any], batch: Batch) -> None:
    full, goal, _ = models
    shallow = copy.deepcopy(goal)
    del shallow.get_decoder().layers[-1]
    with pytest.raises(BenchmarkError, match="one architecture"):
        drops(full, shallow, batch)


@pytest.fixture(scope="module")
def named(benchmark: Benchmark) -> list[Question]:
    """Names and scenes in turn; of an answer that names somebody, the name is what is asked for."""
    drawn = [
        question for place in range(4) for question in SampleSet(singles(everything(benchmark)[:4])).at(place, "0")
    ]
    names = [row["name"] for row in benchmark.people]
    said = [next((name for name in names if name in question.answer), "") for question in drawn]
    assert any(said)
    assert not all(said)
    return [question._replace(contradicts=name) for question, name in zip(drawn, said, strict=True)]


def slow_ranks(model: Any, question: Question, encoder: Encoder) -> list[int]:
    """One question alone: every hidden state through norm and head, and all words sorted."""
    encoded = encoder(question)
    ids, labels = encoded.tokens["input_ids"], encoded.tokens["labels"]
    wanted = encoded.tokens.get("kept", torch.ones_like(labels)) == 0
    wanted = wanted & (labels != IGNORED) if question.contradicts else labels != IGNORED
    place = int(wanted.nonzero()[0])
    inputs = {k: v[None] for k, v in encoded.tokens.items() if k in ("input_ids", "attention_mask")} | encoded.image
    decoder = model.get_decoder()
    with torch.no_grad():
        states = list(model(**inputs, output_hidden_states=True).hidden_states[1:])
        found = []
        for layer, state in enumerate(states):
            normed = state if layer == len(states) - 1 else decoder.norm(state)  # the last one stands behind the norm
            order = model.lm_head(normed)[0, place - 1].argsort(descending=True).tolist()
            found.append(order.index(int(ids[place])))
    return found


def test_ranks_equal_those_of_each_question_alone(tiny: Any, encoder: Encoder, named: list[Question]) -> None:
    model = tiny[0].eval()
    names, scenes = ([q for q in named if bool(q.contradicts) == one] for one in (True, False))
    padding = pad_id(encoder.processor)
    found = []
    for asked in (names, scenes):
        found += ranks(model, collate_set([[encoder(q)] for q in asked], padding, share_prefix=False))
    assert found == [slow_ranks(model, question, encoder) for question in (*names, *scenes)]
    assert len({tuple(row) for row in found}) > 1


def test_a_decoder_without_a_known_norm_is_refused(tiny: Any, encoder: Encoder, named: list[Question]) -> None:
    decoder = tiny[0].get_decoder()
    norm, decoder.norm = decoder.norm, None
    decoder.last = nn.Identity()
    batch = collate_set([[encoder(named[0])]], pad_id(encoder.processor), share_prefix=False)
    try:
        with pytest.raises(BenchmarkError, match="no final norm"):
            ranks(tiny[0], batch)
    finally:
        decoder.norm = norm
        del decoder.last
