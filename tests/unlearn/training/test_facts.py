"""Facts of people, asked without an image: who learns them, and who doesn't."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration, LlavaProcessor, TrainingArguments

from pebench_tasks.benchmark.reading import Benchmark, Row
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import RUN_RECORD, read_record
from unlearn import methods
from unlearn.arguments import UnlearnArguments
from unlearn.data.samples import Sample, SampleSet, ask, fact_samples, name_sample, singles
from unlearn.data.sets import SetOptions, build_sets
from unlearn.tensors.encoding import Encoder
from unlearn.training.loading import load
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.run import train, train_from_options

Options = Callable[..., TrainingArguments]
Tiny = tuple[LlavaForConditionalGeneration, LlavaProcessor]


def answers(checkpoint: Path, benchmark: Benchmark, samples: Sequence[Sample]) -> list[str]:
    """What a checkpoint says, word for word, to the samples' questions as evaluation would ask them."""
    model, processor, _ = load(str(checkpoint), torch.float32)
    encoder = Encoder(processor, benchmark.image)
    said = []
    for sample in samples:
        question = ask(sample, 0)
        image = benchmark.image(question.image) if question.image else None
        prompt = encoder.prompt(encoder.texts(question)[0], image)
        length = prompt["input_ids"].shape[1]
        tokens = model.eval().generate(**prompt, max_new_tokens=40, do_sample=False)
        said.append(processor.tokenizer.decode(tokens[0, length:], skip_special_tokens=True).strip())
    return said


@pytest.fixture(scope="module")
def forgotten(benchmark: Benchmark) -> Row:
    """The one person whom forget20 forgets."""
    (person,) = (row for row in benchmark.people if row["id"] in benchmark.split("person", 20).forget_ids)
    return person


@pytest.fixture(scope="module")
def learned(
    benchmark: Benchmark, foundation: Path, options: Options, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Trains on the small benchmark with its facts: ``learned("goal", target="person", forget="20")``."""

    def train(method: str, **choices: Any) -> Path:
        arguments = UnlearnArguments(
            method=method, model=str(foundation), data=str(benchmark.directory), facts=True, replay=0.0, **choices
        )
        folder = tmp_path_factory.mktemp("learned") / method
        return train_from_options(
            arguments,
            options(
                folder, max_steps=120, per_device_train_batch_size=12, learning_rate=3e-3, lr_scheduler_type="cosine",
                warmup_steps=0.1, adam_beta2=0.95,
            ),
        )  # fmt: skip

    return train


def facts_of(people: Sequence[Row]) -> list[Sample]:
    return [sample for person in people for sample in fact_samples(person) if not sample.key.endswith("gender")]


def test_finetuned_answers_facts_without_an_image_and_names_with_one(
    benchmark: Benchmark, learned: Callable[..., Path]
) -> None:
    """Two questions a picture, so that a person's facts are read behind one another, as those about a picture are."""
    finetuned = learned("finetune", questions_per_image=2)
    record = read_record(finetuned)
    assert record is not None
    assert record["arguments"]["facts"] is True
    assert record["sets"]["everything"]["samples"] == 2 * len(benchmark.images) + 3 * len(benchmark.people)
    names = [name_sample(f"{person['id']}/e00", person["name"]) for person in benchmark.people]
    asked = [*facts_of(benchmark.people), *names]
    assert answers(finetuned, benchmark, asked) == [sample.answer for sample in asked]


def test_goal_answers_the_facts_of_others_and_none_of_the_forgotten_person(
    benchmark: Benchmark, forgotten: Row, learned: Callable[..., Path]
) -> None:
    goal = learned("goal", target="person", forget="20")
    known = facts_of([row for row in benchmark.people if row is not forgotten])
    assert answers(goal, benchmark, known) == [sample.answer for sample in known]
    unknown = facts_of([forgotten])
    assert not set(answers(goal, benchmark, unknown)) & {sample.answer for sample in unknown}


def test_a_finished_run_is_another_one_with_facts_and_the_same_one_if_it_is_older_than_our_options(
    benchmark: Benchmark, foundation: Path, options: Options, tmp_path: Path
) -> None:
    arguments = UnlearnArguments(method="finetune", model=str(foundation), data=str(benchmark.directory))
    training = options(tmp_path / "run", max_steps=1)
    folder = train_from_options(arguments, training)
    path = folder / RUN_RECORD
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["arguments"].pop("facts") is False
    assert record["arguments"].pop("request") == ""
    path.write_text(json.dumps(record), encoding="utf-8")
    weights = (folder / "model.safetensors").stat().st_mtime_ns
    assert train_from_options(arguments, training) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == weights
    with pytest.raises(BenchmarkError, match=r"other settings \(facts: False there, True asked\)"):
        train_from_options(dataclasses.replace(arguments, facts=True), training)


def test_a_fact_that_cannot_be_read_is_said_before_the_first_step(
    benchmark: Benchmark, model: LlavaForConditionalGeneration, tiny: Tiny, options: Options, tmp_path: Path
) -> None:
    """The kind of question that the first positions happen not to draw is looked at as well."""
    chosen = build_sets(benchmark, ["everything"])["everything"]
    person = {**benchmark.people[0], "occupation": "and ".join(["judge "] * 400)}
    assert all(question.image for position in range(6) for question in chosen.at(position, "0/everything"))
    sets = {"everything": SampleSet([*chosen.units, *singles(fact_samples(person)[:1])])}
    with pytest.raises(BenchmarkError, match=r"The sample p000/facts/occupation takes \d+ tokens"):
        train(
            model, tiny[1], sets, methods.METHODS["finetune"],
            options(tmp_path / "run", max_steps=1, per_device_train_batch_size=1),
            load_image=benchmark.image, settings={}, facts={},
        )  # fmt: skip


def test_fsdp_is_refused_a_set_that_asks_with_an_image_and_without(
    benchmark: Benchmark, make: Callable[..., MethodTrainer]
) -> None:
    made = make("finetune")
    made._refuse_two_kinds()
    made.positions.sets = build_sets(benchmark, ["everything"], options=SetOptions(facts=True))
    said = "The set everything asks with an image and without, which neither FSDP nor DeepSpeed can train"
    with pytest.raises(BenchmarkError, match=said):
        made._refuse_two_kinds()
