import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn.attacks.depth import Drops, measure, unlearning_depth
from unlearn.data.samples import Question, SampleSet, singles
from unlearn.data.sets import everything
from unlearn.losses import IGNORED
from unlearn.tensors.batches import Batch, collate_set
from unlearn.tensors.encoding import Encoder, pad_id


@pytest.mark.parametrize(
    ("goal", "model", "wanted"),
    [
        ([1.0, 3.0], [1.0, 3.0], 1.0),  # as deep as Goal
        ([1.0, 3.0], [0.0, -0.5], 0.0),  # nothing lost, or something gained
        ([1.0, 3.0], [0.5, 1.5], 0.5),  # (0.5 + 1.5) / 4
        ([1.0, 3.0], [9.0, 0.0], 0.25),  # more than Goal at one layer makes up for nothing at another
        ([0.05, 2.0], [5.0, 1.0], 0.5),  # the first layer says nothing: it is not above 0.05
        ([0.01, 0.05], [1.0, 1.0], None),
    ],
)
def test_depth_by_hand(goal: list[float], model: list[float], wanted: float | None) -> None:
    assert unlearning_depth(Drops(goal, model)) == wanted


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
    found = measure(full, goal, model, batch)
    assert len(found) == len(questions)
    for drops, question in zip(found, questions, strict=True):
        assert drops.goal == pytest.approx(slow_drops(full, goal, question, encoder), abs=1e-5)
        assert drops.model == pytest.approx(slow_drops(full, model, question, encoder), abs=1e-5)
    assert any(abs(value) > 0.01 for drops in found for value in drops.goal)


def test_finetuned_loses_nothing_with_its_own_outputs(models: tuple[Any, Any, Any], batch: Batch) -> None:
    full, goal, _ = models
    for drops in measure(full, goal, full, batch):
        assert drops.model == pytest.approx([0.0] * len(drops.model), abs=1e-6)


def test_models_of_another_depth_are_refused(models: tuple[Any, Any, Any], batch: Batch) -> None:
    full, goal, model = models
    shallow = copy.deepcopy(model)
    del shallow.get_decoder().layers[-1]
    with pytest.raises(BenchmarkError, match="one architecture"):
        measure(full, goal, shallow, batch)
