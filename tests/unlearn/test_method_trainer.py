import pytest
import torch

from pebench_tasks.benchmark import Benchmark
from unlearn import data, labels
from unlearn.labels import Encoder, collate, pad_id, split_by_length, take
from unlearn.method_trainer import ModelAnswers


@pytest.fixture(scope="module")
def mixed(benchmark: Benchmark, encoder: Encoder) -> labels.Inputs:
    """Names and descriptions in one batch, so that half of it is mostly padding."""
    samples = data.SampleSet(data.everything(benchmark))
    questions = [samples.at(position, "seed") for position in range(8)]
    return collate([{"all": encoder(question)} for question in questions], pad_id(encoder.processor))["all"]


def lengths(inputs: labels.Inputs) -> list[int]:
    return inputs["attention_mask"].sum(1).tolist()


def test_a_batch_of_names_and_descriptions_runs_as_two(mixed: labels.Inputs) -> None:
    short, long = split_by_length(mixed)
    assert sorted(short + long) == list(range(8))
    assert max(lengths(mixed)[i] for i in short) < min(lengths(mixed)[i] for i in long)


def test_a_batch_of_equal_lengths_stays_whole(mixed: labels.Inputs) -> None:
    short = take(mixed, split_by_length(mixed)[0])
    assert len(split_by_length(short, gain=0.5)) == 1


def test_a_batch_whose_tensors_are_not_one_row_a_sample_stays_whole(mixed: labels.Inputs) -> None:
    flattened = {**mixed, "pixel_values": mixed["pixel_values"].flatten(0, 1)}
    assert split_by_length(flattened) == [list(range(8))]


def test_taking_rows_cuts_only_padding(mixed: labels.Inputs) -> None:
    short, _ = split_by_length(mixed)
    rows = take(mixed, short)
    assert lengths(rows) == [lengths(mixed)[i] for i in short]
    assert rows["input_ids"].shape[1] == max(lengths(rows)) < mixed["input_ids"].shape[1]
    assert torch.equal(rows["pixel_values"], mixed["pixel_values"][short])


def test_loss_and_gradient_do_not_change_when_the_batch_is_split(tiny: tuple, mixed: labels.Inputs) -> None:
    model = tiny[0]
    results = []
    for split in (False, True):
        model.zero_grad()
        answers = ModelAnswers(model, mixed, keep=True, split=split)
        loss = answers.nll()
        loss.backward()
        gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        results.append((loss.item(), gradients, ModelAnswers(model, mixed, keep=True, split=split).logp()))
    model.zero_grad()
    (whole, whole_gradient, whole_logp), (parts, parts_gradient, parts_logp) = results
    assert parts == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(parts_gradient, whole_gradient, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(parts_logp, whole_logp, rtol=1e-5, atol=1e-5)
