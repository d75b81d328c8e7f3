"""What of a model is trained: its parts by their names, adapters, and what is left alone."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForImageTextToText, TrainingArguments

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn.arguments import UnlearnArguments
from unlearn.tensors import parts
from unlearn.tensors.parts import PARTS, Lora, part_of
from unlearn.training.loading import load
from unlearn.training.run import train_from_options

Options = Callable[..., TrainingArguments]
Train = Callable[..., Path]
SUBSETS = (["lm"], ["projector"], ["vision"], ["lm", "projector"], ["lm", "vision"], ["projector", "vision"], [*PARTS])
FAMILIES = (
    "llava", "llava_next", "llava_onevision", "vipllava", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "internvl", "gemma3",
    "smolvlm", "idefics2", "idefics3", "paligemma", "instructblip", "blip-2", "mllama", "mistral3", "glm4v", "lfm2_vl",
    "cohere2_vision", "llama4", "deepseek_vl", "ovis2", "qwen3_5", "kimi_k25",
    "phi4_multimodal",
)  # fmt: skip
# Words in the names of modules that read an image, and those of the projector; a family has some of them.
OF_IMAGES = ("vision", "visual", "image_", "patch")


@pytest.fixture
def unlearn(benchmark: Benchmark, finetuned: Path, options: Options, tmp_path: Path) -> Train:
    """Runs a method on the finetuned checkpoint: ``unlearn("kl", lora=True)``; ``training`` are training options."""

    def run(method: str, name: str = "out", training: dict[str, Any] | None = None, **ours: Any) -> Path:
        arguments = UnlearnArguments(
            method=method, data=str(benchmark.directory), target="person", forget="20",
            **{"model": str(finetuned), "reference_cache": str(tmp_path / "cache"), **ours},
        )  # fmt: skip
        return train_from_options(arguments, options(tmp_path / name, **(training or {})))

    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


# Parts


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_its_parts(family: str) -> None:
    """The decoder's layers and the head are ``lm``; the tower is not; what joins them is the projector."""
    config = AutoConfig.for_model(family)
    with torch.device("meta"):
        model: Any = families.auto_class(config).from_config(config)
    found = {name: part_of(name) for name, _ in model.named_parameters()}
    layers = {f"{name}.{own}" for name, own in _decoder_parameters(model)}
    assert layers
    assert {found[name] for name in layers} == {"lm"}
    read_images = {found[name] for name in found if any(word in name for word in OF_IMAGES)}
    assert read_images <= {"vision", "projector", "audio"}
    assert {"lm", "vision"} <= set(found.values())
    assert "projector" in found.values()


def _decoder_parameters(model: Any) -> list[tuple[str, str]]:
    text = parts.decoder(model)
    (prefix,) = (name for name, module in model.named_modules() if module is text)
    return [(f"{prefix}.layers", name) for name, _ in text.layers.named_parameters()]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("model.language_model.layers.3.mlp.gate_proj.weight", "lm"),
        ("lm_head.weight", "lm"),
        ("model.multi_modal_projector.linear_1.weight", "projector"),
        ("model.visual.merger.mlp.0.weight", "projector"),
        ("language_projection.weight", "projector"),
        ("query_tokens", "projector"),
        ("model.connector.modality_projection.proj.weight", "projector"),
        ("model.visual.blocks.0.attn.qkv.weight", "vision"),
        ("model.vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight", "vision"),
    ],
)
def test_a_part_is_told_by_the_name(name: str, part: str) -> None:
    assert part_of(name) == part


@pytest.mark.parametrize("chosen", SUBSETS, ids="+".join)
def test_tuning_leaves_the_other_parts_bit_identical(chosen: list[str], finetuned: Path, unlearn: Train) -> None:
    out = unlearn("gd", tune=chosen, training={"max_steps": 1})
    before, after = weights(finetuned), weights(out)
    assert before.keys() == after.keys()
    changed = {part_of(name) for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(chosen)
    record = read_record(out)
    assert record is not None
    assert record["trained_parameters"] == sum(v.numel() for name, v in before.items() if part_of(name) in chosen)


def test_a_part_that_the_model_lacks_is_refused(untrained: Callable[[], Any]) -> None:
    with pytest.raises(BenchmarkError, match=r"--tune projector: nothing in LlamaModel .* Its parts: lm\."):
        parts.tune(untrained()[0].model.language_model, ["lm", "projector"])


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BenchmarkError, match=r"--tune knows no 'head'. Known: lm, projector, vision\."):
        UnlearnArguments(method="ga", model="m", data="d", target="person", forget="5", tune=["lm,head"])


def test_the_printed_count_is_that_of_the_trained_parameters(untrained: Callable[[], Any]) -> None:
    model = parts.tune(untrained()[0], ["projector"])
    trained = sum(p.numel() for p in model.model.multi_modal_projector.parameters())
    every = sum(p.numel() for p in model.parameters())
    share = f"{100 * trained / every:.3g}"
    said = f"{trained:,} of {every:,} parameters are trained ({share} %): projector {trained:,}"
    assert parts.describe(model) == said


# Adapters


@pytest.mark.parametrize("chosen", SUBSETS, ids="+".join)
def test_adapters_are_in_the_chosen_parts_alone_and_never_in_the_head(
    chosen: list[str], untrained: Callable[[], Any]
) -> None:
    model = parts.tune(untrained()[0], chosen, Lora(r=2, alpha=4, dropout=0.0))
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert {part_of(name.removeprefix("base_model.model.")) for name in trained} == set(chosen)
    assert not any("lm_head" in name or "embed_tokens" in name for name in trained)
    said = f"{sum(p.numel() for p in model.parameters() if p.requires_grad):,} of "
    assert parts.describe(model).startswith(said)


def test_adapters_pass_over_the_router_of_a_mixture_of_experts() -> None:
    with torch.device("meta"):
        model: Any = AutoModelForImageTextToText.from_config(AutoConfig.for_model("llama4"))
    routers = [name for name, _ in model.named_modules() if "router" in name]
    assert routers
    adapted = parts.tune(model, ["lm"], Lora(r=2, alpha=4, dropout=0.0))
    assert not any("router" in name for name, p in adapted.named_parameters() if p.requires_grad)


@pytest.fixture(scope="module")
def mixture() -> Callable[[], Any]:
    """Builds a Llama 4 without weights: routers, experts in one parameter, and experts that all tokens share."""

    def build() -> Any:
        with torch.device("meta"):
            return AutoModelForImageTextToText.from_config(AutoConfig.for_model("llama4"))

    return build


def test_the_router_of_a_mixture_of_experts_does_not_learn_with_the_weights_either(mixture: Callable[[], Any]) -> None:
    model = parts.tune(mixture(), ["lm"])
    frozen = {name for name, p in model.named_parameters() if part_of(name) == "lm" and not p.requires_grad}
    assert frozen
    assert all(name.endswith("router.weight") for name in frozen)
    assert "fused" not in parts.describe(model)


def test_experts_in_one_parameter_carry_no_adapter_and_that_is_said(mixture: Callable[[], Any]) -> None:
    model = mixture()
    fused = [
        name for name, _ in model.named_parameters() if name.endswith(("experts.gate_up_proj", "experts.down_proj"))
    ]
    tuned = parts.tune(model, ["lm", "projector"], Lora(r=2, alpha=4, dropout=0.0))
    assert parts.describe(tuned).endswith(f"; {len(fused)} fused expert weights carry no adapter")
    assert len(fused) > 2
    tuned = parts.tune(mixture(), ["vision"], Lora(r=2, alpha=4, dropout=0.0))
    assert "fused" not in parts.describe(tuned)


@pytest.mark.parametrize(
    ("name", "router"),
    [
        ("model.language_model.layers.1.feed_forward.router.weight", True),
        ("model.language_model.layers.1.mlp.gate.weight", True),
        ("model.language_model.layers.1.mlp.gate.e_score_correction_bias", True),
        ("model.language_model.layers.1.mlp.gate_proj.weight", False),
        ("model.language_model.layers.1.mlp.experts.gate_up_proj", False),
        ("model.vision_model.gated_positional_embedding.gate", False),  # Mllama's: a number, and no choice
    ],
)
def test_a_router_is_told_by_the_name(name: str, router: bool) -> None:
    assert bool(parts.ROUTER.search(name)) == router


def test_merged_adapters_compute_what_base_and_adapters_do_under_the_start_models_names(
    finetuned: Path, encoder: Any, benchmark: Benchmark, unlearn: Train
) -> None:
    merged = unlearn("gd", "merged", lora=True, lora_r=2, lora_alpha=4)
    alone = unlearn("gd", "alone", lora=True, lora_r=2, lora_alpha=4, save="adapter")
    before, after = weights(finetuned), weights(merged)
    assert {k: v.shape for k, v in before.items()} == {k: v.shape for k, v in after.items()}
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("vision" not in name and "lm_head" not in name for name in changed)
    whole = AutoModelForImageTextToText.from_pretrained(merged)
    torch.testing.assert_close(_logits(whole, benchmark, encoder), _logits(_adapted(alone), benchmark, encoder))


def _adapted(folder: Path) -> Any:
    return families.load_model(str(folder), torch.float32)


def _logits(model: Any, benchmark: Benchmark, encoder: Any) -> torch.Tensor:
    inputs = encoder.processor(
        images=[[benchmark.image("p000/e00")]], text=["USER: <image>\nWho?\nASSISTANT:"], return_tensors="pt"
    )
    with torch.no_grad():
        logits: torch.Tensor = model.eval()(**inputs).logits
    return logits


def test_saved_adapters_are_read_from_another_folder_and_gone_on_from(
    finetuned: Path, encoder: Any, benchmark: Benchmark, unlearn: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start model is given relative to the folder the command runs in; the adapters know where it really is."""
    monkeypatch.chdir(finetuned.parent)
    alone = unlearn("gd", model=finetuned.name, lora=True, lora_r=2, save="adapter")
    assert not (alone / "model.safetensors").exists()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    scored = _logits(_adapted(alone), benchmark, encoder)
    model, *_ = load(str(alone), torch.float32)
    torch.testing.assert_close(_logits(model, benchmark, encoder), scored)
    assert not torch.equal(scored, _logits(AutoModelForImageTextToText.from_pretrained(finetuned), benchmark, encoder))
    on = unlearn("gd", "on", model=str(alone), training={"max_steps": 1, "learning_rate": 0.0})
    torch.testing.assert_close(
        _logits(AutoModelForImageTextToText.from_pretrained(on), benchmark, encoder), scored, atol=1e-5, rtol=1e-4
    )
    record = read_record(on)
    assert record is not None
    assert record["parent"]["method"] == "gd"


@pytest.mark.skipif(torch.cuda.is_available(), reason="the error is the one without a GPU")
def test_qlora_without_a_gpu_is_one_clear_error(unlearn: Train, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="--load_in_4bit needs a GPU and bitsandbytes"):
        unlearn("gd", lora=True, load_in_4bit=True)
    assert not (tmp_path / "out").exists()


def test_with_adapters_the_reference_is_the_start_model(
    finetuned: Path, unlearn: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KL to the start model is 0 before the first step and not after it; the start model's answers do not move."""
    from unlearn.tensors.forward import Reader
    from unlearn.training import reference

    seen = []
    logits = reference.AdapterReference.logits
    frozen = AutoModelForImageTextToText.from_pretrained(finetuned)
    reader = Reader(frozen, frozen)

    def compared(self: Any, batch: Any) -> torch.Tensor:
        found = logits(self, batch)
        with torch.no_grad():
            torch.testing.assert_close(found, reader.logits(batch), atol=1e-5, rtol=1e-4)
        seen.append(found)
        return found

    monkeypatch.setattr(reference.AdapterReference, "logits", compared)
    out = unlearn("kl", lora=True, lora_r=4, training={"learning_rate": 1e-2})
    record = read_record(out)
    assert record is not None
    assert record["reference"]["kind"] == "adapters off"
    assert record["reference"]["computed"] == 0
    first, *rest = (row["retain"] for row in record["losses"])
    assert first == pytest.approx(0, abs=1e-5)
    assert all(value > 1e-4 for value in rest)
    assert len(seen) >= len(record["losses"])


def test_adapters_that_lost_their_base_are_refused(unlearn: Train, finetuned: Path, tmp_path: Path) -> None:
    shutil.copytree(finetuned, tmp_path / "base")
    alone = unlearn("gd", model=str(tmp_path / "base"), lora=True, lora_r=2, save="adapter", training={"max_steps": 1})
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(BenchmarkError, match="has lost its base"):
        load(str(alone), torch.float32)


def test_adapters_begin_the_same_in_every_run_of_a_seed(unlearn: Train) -> None:
    one = unlearn("gd", "one", lora=True, lora_r=2, training={"max_steps": 2})
    torch.rand(7)  # whatever else was drawn in the meantime
    two = unlearn("gd", "two", lora=True, lora_r=2, training={"max_steps": 2})
    assert all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())
