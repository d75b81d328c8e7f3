"""A real LLaVA of about one million parameters, built and pre-trained on the spot, so that the demo needs no download.

transformers' own classes throughout: a CLIP vision tower, the LLaVA projector, a Llama, and a byte-level BPE
tokenizer trained on the benchmark's texts. It is pre-trained from scratch on the benchmark's "public figures" and
yes/no questions, which stand for what a foundation model knows before it meets the benchmark.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pebench_templates
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn import arguments
from unlearn.answers import Answers, Terms
from unlearn.data.samples import Sample, SampleSet, Unit, by_image, scene_sample, singles
from unlearn.data.sets import replay
from unlearn.training.run import train

IMAGE, PAD, END = "<image>", "<pad>", "</s>"
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ 'USER: ' if message['role'] == 'user' else 'ASSISTANT: ' }}"
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "{% endif %}"
    "{{ '\n' if message['role'] == 'user' else eos_token }}"
    "{% endfor %}"
    "{{ 'ASSISTANT:' if add_generation_prompt else '' }}"
)


def build(
    benchmark: Benchmark, *, seed: int, image_size: int = 64, patch_size: int = 8, vocabulary: int = 1000
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """An untrained model with its processor; the same seed gives the same weights.

    Pictures of ``image_size`` px are cut to a whole number of patches: 64 of them at 64 px. Larger patches would mix
    people with what is behind them.
    """
    side = image_size // patch_size * patch_size
    tokenizer = _tokenizer(benchmark, vocabulary)
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessor(
            size={"shortest_edge": image_size}, crop_size={"height": side, "width": side}
        ),
        tokenizer=tokenizer,
        patch_size=patch_size,
        vision_feature_select_strategy="default",
        image_token=IMAGE,
        num_additional_image_tokens=1,
        chat_template=CHAT_TEMPLATE,
    )
    torch.manual_seed(seed)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=side,
            patch_size=patch_size,
            projection_dim=96,
            initializer_factor=2.0,
        ),
        text_config=LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=512,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            tie_word_embeddings=False,
            initializer_range=0.06,  # the usual 0.02 is for widths of thousands; here it learns to see twice as late
        ),
        image_token_index=tokenizer.get_vocab()[IMAGE],
        image_seq_length=(side // patch_size) ** 2,
        vision_feature_layer=-1,
        vision_feature_select_strategy="default",
        tie_word_embeddings=False,
    )
    model = LlavaForConditionalGeneration(config)
    # As they are, patches are ten times as large as their positions, and where things are is learned late.
    with torch.no_grad():
        model.model.vision_tower.embeddings.position_embedding.weight.mul_(8)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, processor


def pretrain(benchmark: Benchmark, options: Sequence[str], on_step: Callable[[int, int], None] | None = None) -> Path:
    """Build the model and pre-train it on the benchmark's ``pretrain`` rows; returns the checkpoint folder.

    ``options`` are options of ``python -m unlearn`` that concern training (``--output_dir``, ``--seed``, ``--config``);
    ``on_step``: see ``train_from_options``.
    """
    training_arguments = arguments.parse_training(options)
    model, processor = build(benchmark, seed=training_arguments.seed)
    replayed = replay(benchmark)
    if len(replayed) != 3:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has no pre-training rows for the tiny model. Give a --model."
        )
    figures, world, snapshots = replayed
    facts = {"method": "pretrain", "target": "", "forget": "", "data": benchmark.fingerprint, "split": ""}
    return train(
        model,
        processor,
        {
            "figures": SampleSet(by_image(figures), questions=2),
            "world": SampleSet(_about_objects(benchmark, world), questions=3),
            "snapshots": SampleSet(singles(snapshots)),
        },
        _pretraining,
        training_arguments,
        load_image=benchmark.image,
        settings={"model": "tiny", **facts},
        facts=facts,
        on_step=on_step,
    )


def _pretraining(figures: Answers, world: Answers, snapshots: Answers) -> Terms:
    """A term a kind of picture, so that the few tokens of a yes or no are not lost among those of descriptions.

    Naming the objects as well is what makes yes and no learnable in a few hundred steps: a question about one object
    alone gives no hint until image and question are both understood.
    """
    yield "figures", figures.nll()
    yield "world", world.nll()
    yield "snapshots", snapshots.nll()


def _about_objects(benchmark: Benchmark, world: Sequence[Sample]) -> list[Unit]:
    """Each picture of drawn objects twice: what is in it, and two of the four questions about it."""
    described = {sample.image: sample for sample in _object_descriptions(benchmark)}
    return [
        (described[unit[0].image], *unit[first : first + 2])
        for unit in by_image(world)
        for first in range(0, len(unit), 2)
    ]


def _object_descriptions(benchmark: Benchmark) -> list[Sample]:
    """The scene question on the pictures of drawn objects, answered by what is in them."""
    present: dict[str, list[str]] = {}
    for row in benchmark.world:
        if row["part"] == "pretrain" and row["truth"] == "yes":
            present.setdefault(row["key"], []).append(row["object"])
    return [
        scene_sample(key, pebench_templates.render("world_description", objects=objects))
        for key, objects in present.items()
    ]


def _tokenizer(benchmark: Benchmark, vocabulary: int) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, END, IMAGE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(benchmark), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens={"image_token": IMAGE},
        padding_side="left",
        model_max_length=512,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def _texts(benchmark: Benchmark) -> Iterator[str]:
    """Everything the model reads or says, each text once."""
    yield "USER: ASSISTANT:"
    for question in ("person_question", "scene_question"):
        for phrasing in range(pebench_templates.phrasings(question)):
            yield pebench_templates.render(question, phrasing=phrasing)
    for name in benchmark.names:
        yield " " + pebench_templates.render("person_answer", name=name)
    for description in dict.fromkeys(row["description"] for row in [*benchmark.events, *benchmark.real]):
        yield " " + pebench_templates.render("scene_answer", description=description)
    for word in sorted({row["object"] for row in benchmark.world}):
        yield pebench_templates.render("world_question", object=word, phrasing=0)
    for sample in _object_descriptions(benchmark):
        yield " " + sample.answer
    for truth in ("yes", "no"):
        yield " " + pebench_templates.render("world_answer", truth=truth)
