"""Adapters of a start model are kept beside new ones and saved with them; what merging loses is measured."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, TrainingArguments

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.run_record import read_record
from unlearn import methods
from unlearn import train as unlearn_command
from unlearn.arguments import UnlearnArguments
from unlearn.data.samples import Question, SampleSet, singles
from unlearn.data.sets import everything
from unlearn.tensors.batches import Batch
from unlearn.tensors.parts import Lora
from unlearn.training import adapters, record
from unlearn.training.loading import load
from unlearn.training.run import Tuning, train, train_from_options

Options = Callable[..., TrainingArguments]
Unlearn = Callable[..., Path]
Logits = Callable[[Any], Tensor]
BFLOAT16 = torch.bfloat16


@pytest.fixture
def unlearn(benchmark: Benchmark, options: Options, tmp_path: Path) -> Unlearn:
    """A run with adapters: ``unlearn("gd", model, "name", tune=["lm"])``; ``training`` are training options."""

    def run(method: str, model: Path, name: str, training: dict[str, Any] | None = None, **ours: Any) -> Path:
        forgets = {} if method == "finetune" else {"target": "person", "forget": "20"}
        defaults = {"lora": True, "lora_r": 4, "lora_alpha": 4, "save": "adapter", "replay": 0.0, **forgets}
        if method not in ("finetune", "gd", "kl"):
            del defaults["replay"]
        arguments = UnlearnArguments(
            method=method, model=str(model), data=str(benchmark.directory), **{**defaults, **ours}
        )
        return train_from_options(arguments, options(tmp_path / name, **{"learning_rate": 5e-3, **(training or {})}))

    return run


@pytest.fixture
def finetuned_adapter(foundation: Path, unlearn: Unlearn) -> Path:
    """Finetuned as the recipes for large models leave it: adapters on the foundation model."""
    return unlearn("finetune", foundation, "finetuned", tune=["lm", "projector"])


@pytest.fixture
def logits(questions: list[Question], collated: Callable[..., Batch]) -> Logits:
    """What a model says to some questions."""
    batch = collated([[question] for question in questions[:6]])

    def logits(model: Any) -> Tensor:
        inputs = {
            name: value.to(model.dtype) if value.is_floating_point() else value
            for name, value in batch["inputs"].items()
        }
        with torch.no_grad():
            found: Tensor = model.eval()(**inputs).logits.float()
        return found

    return logits


def losses(folder: Path) -> list[dict[str, float]]:
    found = read_record(folder)
    assert found is not None
    rows: list[dict[str, float]] = found["losses"]
    return rows


# Beside new ones


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_a_start_models_adapters_say_beside_its_weights_what_they_say_in_scoring(
    finetuned_adapter: Path, foundation: Path, logits: Logits, dtype: torch.dtype
) -> None:
    """To the last bit: unlearning starts from the very model that Finetuned is scored as."""
    scored = logits(families.load_model(str(finetuned_adapter), dtype))
    model = load(str(finetuned_adapter), dtype, beside=True)[0]
    assert not isinstance(model, PeftModel)
    assert torch.equal(logits(model), scored)
    assert not torch.equal(scored, logits(families.load_model(str(foundation), dtype)))


def test_adapters_of_adapters_are_one_adapter_on_the_same_base(
    finetuned_adapter: Path, foundation: Path, unlearn: Unlearn, logits: Logits
) -> None:
    """Plain peft reads it, whatever has become of the folder that it started from."""
    gd = unlearn("gd", finetuned_adapter, "gd")
    base = AutoModelForImageTextToText.from_pretrained(foundation)
    config = LoraConfig.from_pretrained(str(gd))
    assert Path(config.base_model_name_or_path) == foundation
    assert (config.r, config.lora_alpha) == (8, 8)
    said = logits(PeftModel.from_pretrained(base, gd))
    assert torch.equal(said, logits(families.load_model(str(gd), torch.float32)))
    assert not torch.allclose(said, logits(families.load_model(str(finetuned_adapter), torch.float32)), atol=1e-3)
    found = read_record(gd)
    assert found is not None
    assert found["base"] == record.weights_fingerprint(foundation)
    assert found["parent"]["weights"] == record.weights_fingerprint(finetuned_adapter)
    assert "merge_kept" not in found


def test_adapters_on_a_base_in_bfloat16_train_under_autocast_from_adapters_too(
    finetuned_adapter: Path, benchmark: Benchmark, tmp_path: Path
) -> None:
    """Recorded; KL at the start is 0, so old adapters say the same to both; what is saved is in float32."""
    (tmp_path / "nothing.yaml").write_text("")
    out = unlearn_command(
        method="kl", model=finetuned_adapter, data=benchmark.directory, target="person", forget=20, lora=True,
        lora_r=4, save="adapter", dtype="bfloat16", max_steps=3, use_cpu=True, config=tmp_path / "nothing.yaml",
        per_device_train_batch_size=4, learning_rate=5e-3, output_dir=tmp_path / "kl", report_to="none",
    )  # fmt: skip
    found = read_record(out)
    assert found is not None
    assert found["arguments"]["bf16"] is True
    first, *rest = (row["retain"] for row in losses(out))
    assert first == 0 < min(rest)
    assert {value.dtype for value in load_file(out / "adapter_model.safetensors").values()} == {torch.float32}


def test_the_reference_beside_adapters_is_the_model_that_unlearning_started_from(
    finetuned_adapter: Path, unlearn: Unlearn
) -> None:
    """And not their base: KL to it is 0 before the first step."""
    first, *rest = (row["retain"] for row in losses(unlearn("kl", finetuned_adapter, "kl")))
    assert first == 0 < min(rest)


def test_a_step_of_nothing_from_adapters_is_the_same_model(
    finetuned_adapter: Path, unlearn: Unlearn, logits: Logits
) -> None:
    """Also where new adapters are in fewer layers, or in more, than the old ones."""
    before = logits(families.load_model(str(finetuned_adapter), torch.float32))
    for tune in (["projector"], ["lm", "projector", "vision"]):
        out = unlearn("ga", finetuned_adapter, "+".join(tune), {"learning_rate": 0.0, "max_steps": 1}, tune=tune)
        torch.testing.assert_close(logits(families.load_model(str(out), torch.float32)), before, atol=1e-5, rtol=1e-4)


def test_new_and_old_adapters_are_merged_together(finetuned_adapter: Path, unlearn: Unlearn, logits: Logits) -> None:
    """Those of layers without new ones too."""
    alone, merged = (
        unlearn("gd", finetuned_adapter, save, tune=["projector"], save=save) for save in ("adapter", "merged")
    )
    assert losses(alone) == losses(merged)
    whole = AutoModelForImageTextToText.from_pretrained(merged)
    torch.testing.assert_close(
        logits(whole), logits(families.load_model(str(alone), torch.float32)), atol=1e-5, rtol=1e-4
    )


@pytest.mark.parametrize(
    "config",
    [{"use_dora": True}, {"modules_to_save": ["linear_1"]}, {"bias": "lora_only"}],
    ids=["DoRA", "modules trained whole", "biases"],
)
def test_other_adapters_are_merged_by_the_user_before_new_ones_are_trained(
    foundation: Path, unlearn: Unlearn, tmp_path: Path, config: dict[str, Any]
) -> None:
    model = AutoModelForImageTextToText.from_pretrained(foundation)
    other = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], **config))
    other.save_pretrained(str(tmp_path / "other"))
    families.load_processor(str(foundation)).save_pretrained(tmp_path / "other")
    with pytest.raises(BenchmarkError, match=r"is more than low-rank updates of linear layers.*merge_and_unload"):
        unlearn("ga", tmp_path / "other", "out")


# Saved as trained


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_saved_adapters_say_to_the_last_bit_what_the_trained_model_says(
    benchmark: Benchmark, foundation: Path, options: Options, logits: Logits, tmp_path: Path, dtype: torch.dtype
) -> None:
    """``train`` puts adapters into the model that it is given."""
    model, processor, _ = load(str(foundation), dtype)
    start = logits(model)
    out = train(
        model,
        processor,
        {"everything": SampleSet(singles(everything(benchmark)))},
        methods.METHODS["finetune"],
        options(tmp_path / "out"),
        load_image=benchmark.image,
        settings={},
        facts={"method": "finetune", "target": "", "forget": "", "data": "", "split": ""},
        tuning=Tuning(("lm",), Lora(4, 8, 0.0), merge=False),
    )
    assert torch.equal(logits(families.load_model(str(out), dtype)), logits(model))
    assert not torch.equal(start, logits(model))


# Merged


def test_small_steps_are_lost_in_weights_of_16_bits_and_that_is_said(
    foundation: Path, unlearn: Unlearn, caplog: pytest.LogCaptureFixture
) -> None:
    """Five steps of 1e-5; adapters keep them whole, and so do weights in float32."""
    caplog.set_level(logging.INFO, "unlearn")
    steps = {"learning_rate": 1e-5, "max_steps": 5}
    usual = {"lora_r": 16, "lora_alpha": 32}
    unlearn("ga", foundation, "alone", steps, dtype="bfloat16", **usual)
    assert "merging" not in caplog.text
    found = read_record(unlearn("ga", foundation, "merged", steps, save="merged", dtype="bfloat16", **usual))
    assert found is not None
    assert 0.1 < found["merge_kept"] < 0.9
    (warned,) = (row for row in caplog.records if "merging kept" in row.getMessage())
    assert warned.levelname == "WARNING"
    assert f"kept {100 * found['merge_kept']:.1f} %" in warned.getMessage()
    assert "weights in bfloat16 round the rest away. Train with --save adapter" in warned.getMessage()
    caplog.clear()
    found = read_record(unlearn("ga", foundation, "float32", steps, save="merged", dtype="float32"))
    assert found is not None
    assert found["merge_kept"] == pytest.approx(1, abs=1e-3)
    assert [row.levelname for row in caplog.records if "merging kept" in row.getMessage()] == ["INFO"]


def test_what_merging_a_start_models_adapters_keeps_is_recorded(finetuned_adapter: Path, unlearn: Unlearn) -> None:
    """In 16 bits less than all of it; beside new adapters, or without any, nothing is merged."""
    whole = {"lora": False, "lora_r": 16, "lora_alpha": 32, "save": "merged", "dtype": "bfloat16"}
    merged = unlearn("gd", finetuned_adapter, "whole", {"max_steps": 1}, **whole)
    found = read_record(merged)
    assert found is not None
    assert 0.9 < found["start_merge_kept"] < 1
    for start in (finetuned_adapter, merged):
        found = read_record(unlearn("gd", start, f"from-{start.name}", {"max_steps": 1}, dtype="bfloat16"))
        assert found is not None
        assert "start_merge_kept" not in found


def test_what_merging_keeps_is_counted_weight_by_weight() -> None:
    """Next to 1, bfloat16 has 1 + 1/128: of the changes 1/128, 1/256 + 1/1024 and 1/1024 it keeps 1/128, 1/128 and 0.

    In units of 1/1024 these are 8, 5 and 1, of which 8, 8 and 0 is left: (64 + 40) / (64 + 25 + 1).
    """
    model: Any = nn.Sequential(nn.Linear(1, 3, bias=False, dtype=BFLOAT16))
    nn.init.ones_(model[0].weight)
    adapted: Any = get_peft_model(model, LoraConfig(r=1, lora_alpha=1, target_modules=["0"]))
    layer = adapted.base_model.model[0]
    with torch.no_grad():
        layer.lora_A["default"].weight.fill_(1 / 1024)
        layer.lora_B["default"].weight.copy_(torch.tensor([[8.0], [5.0], [1.0]]))
    merged, kept = adapters.merge(adapted)
    assert merged[0].weight.flatten().tolist() == [1 + 1 / 128, 1 + 1 / 128, 1]
    assert merged[0].weight.dtype == BFLOAT16
    assert kept == pytest.approx(104 / 90)


def test_adapters_that_changed_nothing_are_kept_whole() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2))
    assert adapters.merge(get_peft_model(model, LoraConfig(r=1, target_modules=["0"])))[1] == 1
