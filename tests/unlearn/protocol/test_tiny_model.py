from pathlib import Path

import torch

from pebench_tasks.benchmark.reading import Benchmark
from unlearn.data.sets import replay
from unlearn.protocol import tiny_model


def test_the_same_seed_gives_the_same_weights(benchmark: Benchmark) -> None:
    one, other, third = (tiny_model.build(benchmark, seed=seed, image_size=32)[0] for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), third.parameters(), strict=True))


def test_it_is_a_llava_of_about_a_million_parameters(benchmark: Benchmark) -> None:
    model, _ = tiny_model.build(benchmark, seed=0)
    assert type(model).__name__ == "LlavaForConditionalGeneration"
    assert 0.8e6 < sum(p.numel() for p in model.parameters()) < 1.6e6


def test_every_text_survives_the_tokenizer(benchmark: Benchmark) -> None:
    tokenizer = tiny_model.build(benchmark, seed=0, image_size=32)[1].tokenizer
    for text in [*benchmark.names, *(row["description"] for row in benchmark.events)]:
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_both_forms_of_a_message_give_the_same_prompt(benchmark: Benchmark) -> None:
    """Stock backends hand over one string that holds the image token; ours hands over a list of parts."""
    processor = tiny_model.build(benchmark, seed=0, image_size=32)[1]
    parts = [{"type": "image"}, {"type": "text", "text": "Who?"}]
    prompts = [
        processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        for content in (parts, "<image>\nWho?")
    ]
    assert prompts == ["USER: <image>\nWho?\nASSISTANT:"] * 2


def test_pictures_are_cut_to_whole_patches(benchmark: Benchmark) -> None:
    model, processor = tiny_model.build(benchmark, seed=0, image_size=32)
    inputs = processor(images=benchmark.image("p000/e00"), text="<image>", return_tensors="pt")
    assert inputs["pixel_values"].shape == (1, 3, 32, 32)
    assert int((inputs["input_ids"] == model.config.image_token_index).sum()) == 16


def test_object_descriptions_name_both_objects_of_pretraining_pictures_only(benchmark: Benchmark) -> None:
    samples = tiny_model._object_descriptions(benchmark)
    pretrain = {row["key"] for row in benchmark.world if row["part"] == "pretrain"}
    assert {sample.image for sample in samples} == pretrain
    truth = {(row["key"], row["object"]) for row in benchmark.world if row["truth"] == "yes"}
    assert all(sum(word in sample.answer for key, word in truth if key == sample.image) == 2 for sample in samples)


def test_pretraining_writes_a_foundation_that_is_its_own_base(benchmark: Benchmark, tmp_path: Path) -> None:
    from pebench_tasks.run_record import read_record

    words = ["--output_dir", str(tmp_path / "base"), "--max_steps", "1", "--per_device_train_batch_size", "2"]
    record = read_record(tiny_model.pretrain(benchmark, [*words, "--seed", "5"]))
    assert record is not None
    assert record["method"] == "pretrain"
    assert record["base"] == record["weights"]
    assert set(record["losses"][0]) == {"step", "loss", "figures", "world", "snapshots"}


def test_replay_holds_only_pretraining_rows(benchmark: Benchmark) -> None:
    keys = {row["key"] for row in [*benchmark.real, *benchmark.world] if row["part"] == "pretrain"}
    assert {sample.image for part in replay(benchmark) for sample in part} <= keys
