"""Speed, share of the card and peak memory of a step on a GPU, for a model of LLaVA-1.5-7B's shape.

    python benchmarks/gpu_step.py --checkpointing --out runs/gpu_step.md
    python benchmarks/gpu_step.py --checkpointing --four_bit --profile runs/profile

Its figures have not been measured yet: it has run on the CPU alone, with ``--tiny``.

The model is built from its configuration, with random weights: nothing is downloaded. Adapters (LoRA, the settings of
the recipes) are trained in the language model and the projector, in bfloat16, the tower frozen. ``MethodTrainer``
trains as in any run - loader, optimiser and clipping included - on both kinds of questions about drawn images of
336 px, 576 image tokens each; the steps after the first few are timed as one span.

The share of the card is the operations that a step needs over those that a large square matrix product does in the
same time, measured just before; a step needs, with N multiplied weights of the language model (adapters and attention
scores not counted, the head at answers' tokens only):

- 4N a token that is trained on: 2N forward, 2N backward, as the weights of the base get no gradient;
- 2N a token that the reference (the model with adapters switched off) reads;
- 2N a patch for the tower's own N, once for what model and reference read.

Padding and recomputed activations are not counted; what answers share (``dpo``: the image of its two) counts once.
A sample is an answer that is trained on, of whichever set.
"""

import argparse
import gc
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import small_llava
import tables
import torch
from peft import PeftModel
from small_llava import Sizes
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from transformers import (
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PrinterCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import training_option
from unlearn import methods
from unlearn.arguments import UnlearnArguments
from unlearn.tensors import parts
from unlearn.tensors.encoding import pad_id
from unlearn.tensors.parts import Lora
from unlearn.training.loading import load

# vicuna-7b-v1.5 behind CLIP ViT-L/14-336, as in the configuration of llava-hf/llava-1.5-7b-hf.
SHAPE = Sizes(vocabulary=32064, hidden=4096, layers=32, image_size=336, patch_size=14)
TEXT = {"intermediate_size": 11008, "num_attention_heads": 32, "num_key_value_heads": 32, "rms_norm_eps": 1e-5}
TOWER = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
TINY_TEXT = {"intermediate_size": 160, "num_attention_heads": 8, "num_key_value_heads": 8}
TINY_TOWER = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
FEATURE_LAYER = -2
WORDS = 1000  # of the tokenizer: trained on these texts, a larger one would make them shorter than Llama's does
LORA = Lora(UnlearnArguments.lora_r, UnlearnArguments.lora_alpha, UnlearnArguments.lora_dropout)
PROFILED_STEPS = 2
GIB = 2**30


def main() -> None:
    """Measure, print a table, write it to ``--out``; exits with 1 and one line if the machine cannot do it."""
    options = _arguments()
    if (options.four_bit or not options.tiny) and not torch.cuda.is_available():
        raise SystemExit(
            "There is no CUDA device here, and a model of 7 billion parameters is measured on one. "
            "--tiny without --four_bit tries the program on the CPU."
        )
    try:
        rows = _measure_all(options)
    except BenchmarkError as error:
        raise SystemExit(str(error)) from error
    device = "cpu" if options.tiny else torch.cuda.get_device_name()
    tables.show(f"A step on {device}", rows)
    facts = {
        "device": device, "base": "four bits" if options.four_bit else "bfloat16", "adapters": f"rank {LORA.r}",
        "batch": options.batch_size, "accumulation": options.accumulation, "checkpointing": options.checkpointing,
        "timed steps": options.steps, "torch": torch.__version__,
    }  # fmt: skip
    for path in options.out:
        tables.write(path, "A step on a GPU", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", nargs="+", choices=list(methods.METHODS), default=["gd", "kl", "dpo", "siu"])
    parser.add_argument("--batch_size", type=int, default=4, help="positions of each set in a micro-batch")
    parser.add_argument("--accumulation", type=int, default=1, help="micro-batches of a step")
    parser.add_argument("--checkpointing", action="store_true", help="compute activations anew in the backward pass")
    parser.add_argument("--four_bit", "--four-bit", action="store_true", help="the base in four bits (QLoRA)")
    parser.add_argument("--steps", type=int, default=10, help="timed")
    parser.add_argument("--warmup", type=int, default=3, help="steps before these")
    parser.add_argument("--workers", type=int, default=4, help="of the loader")
    parser.add_argument("--profile", type=Path, help="folder for a table of the top operators of each method")
    parser.add_argument("--tiny", action="store_true", help="a model of no size on the CPU, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def _measure_all(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    with TemporaryDirectory() as name:
        benchmark = small_llava.benchmark(Path(name), tiny=options.tiny, image_size=SHAPE.image_size)
        for key in options.method:
            rows.append(_measure(key, benchmark, Path(name), options))
            print(*(f"{column} {tables.text(value)}" for column, value in rows[-1].items()), sep=", ", flush=True)
            gc.collect()
            torch.cuda.empty_cache()
    return rows


def _checkpointing(on: bool) -> dict[str, Any]:
    name = training_option("activation_checkpointing", TrainingArguments.__dataclass_fields__)
    return {name: on, f"{name}_kwargs": {"use_reentrant": False} if on else None}


def _measure(key: str, benchmark: Benchmark, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    device = torch.device("cpu" if options.tiny else "cuda")
    rate = matrix_rate(device, 256 if options.tiny else 8192)
    sizes = small_llava.sizes(WORDS, tiny=True) if options.tiny else SHAPE
    model, processor = build(benchmark, sizes, folder, device, options)
    trainer = small_llava.trainer(
        model, processor, benchmark, key, small_llava.settings(key, sizes), folder=folder,
        batch_size=options.batch_size, epochs=1, use_cpu=options.tiny,
        max_steps=options.warmup + options.steps + (PROFILED_STEPS if options.profile else 0),
        gradient_accumulation_steps=options.accumulation, **_checkpointing(options.checkpointing),
        bf16=True, learning_rate=1e-5, save_strategy="no", logging_strategy="no",
        dataloader_num_workers=options.workers, dataloader_persistent_workers=options.workers > 0,
        dataloader_pin_memory=not options.tiny,
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    trainer.prepare_reference()
    table = options.profile / f"{key}.txt" if options.profile else None
    span = Span(Meter(model, pad_id(processor)), options, table)
    trainer.add_callback(span)
    if not options.tiny:
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    counted, seconds = span.counted, span.seconds
    timed = range(
        options.warmup * trainer.plan.positions_a_step, (options.warmup + options.steps) * trainer.plan.positions_a_step
    )
    samples = sum(len(trainer.positions.at(name, position)) for name in trainer.positions.sets for position in timed)
    return {
        "method": key,
        "samples/s": samples / seconds,
        "tokens/s": counted.tokens / seconds,
        "peak GiB": span.peak / GIB if span.peak else None,
        "matrix TFLOP/s": rate / 1e12,
        "reached TFLOP/s": counted.operations / seconds / 1e12,
        "share %": 100 * counted.operations / seconds / rate,
        "tokens a sample": counted.tokens / samples,
        "s a step": seconds / options.steps,
        "last loss": trainer.history.losses[-1]["loss"],
    }


def build(
    benchmark: Benchmark, sizes: Sizes, folder: Path, device: torch.device, options: argparse.Namespace
) -> tuple[PeftModel, LlavaProcessor]:
    """The untrained model in bfloat16, or in four bits, with adapters, and its processor.

    For four bits the weights go through a checkpoint in ``folder`` (14 GB), read as ``--load_in_4bit`` reads one.
    """
    processor = small_llava.processor_of(benchmark, sizes._replace(vocabulary=WORDS))
    text, tower = (TINY_TEXT, TINY_TOWER) if options.tiny else (TEXT, TOWER)
    config = small_llava.configuration(processor, sizes, vision=tower, text=text, vision_feature_layer=FEATURE_LAYER)
    torch.manual_seed(0)
    start = folder / "start"
    if not (options.four_bit and start.exists()):
        with device:
            model: Any = LlavaForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    if options.four_bit:
        if not start.exists():
            model.save_pretrained(start)
            processor.save_pretrained(start)  # the loader wants one
            del model
            torch.cuda.empty_cache()
        model = load(str(start), torch.bfloat16, four_bit=True)[0]
    return parts.tune(model, ["lm", "projector"], LORA), processor


def matrix_rate(device: torch.device, side: int, products: int = 10, rounds: int = 5) -> float:
    """Operations a second of a square bfloat16 matrix product: the best of some rounds of products."""
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    out = one @ other
    best = float("inf")
    for _ in range(rounds):
        _wait()
        started = time.perf_counter()
        for _ in range(products):
            torch.matmul(one, other, out=out)
        _wait()
        best = min(best, (time.perf_counter() - started) / products)
    return 2 * side**3 / best


class Counted(NamedTuple):
    """What a span of steps did; operations as the head of this file counts them."""

    tokens: int  # trained on
    operations: float


class Meter:
    """Counts what a model reads, from the arguments it is called with; recomputation does not call it."""

    def __init__(self, core: PeftModel, padding: int) -> None:
        self.core, self.padding = core, padding
        head: Any = core.get_output_embeddings()
        self.layer = multiplied(parts.decoder(core).layers[0])
        self.head = multiplied(head)
        tower = [module for name, module in core.named_modules() if name.endswith("vision_tower")]
        self.tower = multiplied(tower[0])
        self.patches = core.config.image_seq_length + 1  # and the class token
        core.register_forward_pre_hook(self._called, with_kwargs=True)
        head.register_forward_hook(self._predicted)
        self.clear()

    def clear(self) -> None:
        """Count from here."""
        self._images = 0
        self._tokens: list[tuple[Tensor, int, bool]] = []  # not added up yet: that would wait for the GPU
        self._head_operations = 0

    def _called(self, module: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        trained = torch.is_grad_enabled()
        weights = self.layer * len(parts.decoder(self.core).layers)  # fewer where a method reads activations
        # Not by the mask: where answers share an image, it shows padding as one more answer.
        self._tokens.append(((named["input_ids"] != self.padding).sum(), weights, trained))
        if trained:
            self._images += len(named["pixel_values"]) if "pixel_values" in named else 0

    def _predicted(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        each = 4 if torch.is_grad_enabled() else 2
        self._head_operations += each * self.head * (output.numel() // output.shape[-1])

    def counted(self) -> Counted:
        """What was counted since ``clear``."""
        read = [(int(tokens), weights, trained) for tokens, weights, trained in self._tokens]
        layers = sum((4 if trained else 2) * weights * tokens for tokens, weights, trained in read)
        tower = 2 * self.tower * self.patches * self._images
        tokens = sum(tokens for tokens, _, trained in read if trained)
        return Counted(tokens, float(layers + self._head_operations + tower))


class Span(TrainerCallback):
    """Times the steps after the warm-up as one span; the steps behind it are profiled."""

    def __init__(self, meter: Meter, options: argparse.Namespace, table: Path | None) -> None:
        self.meter, self.table = meter, table
        self.first, self.last = options.warmup, options.warmup + options.steps
        self.profiler: profile | None = None
        self.cuda = not options.tiny

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step == self.first:
            self.meter.clear()
            _wait()
            self._started = time.perf_counter()
        elif state.global_step == self.last:
            _wait()
            self.seconds = time.perf_counter() - self._started
            self.counted = self.meter.counted()
            self.peak = torch.cuda.max_memory_allocated() if self.cuda else 0
            if self.table:
                activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * self.cuda
                self.profiler = profile(activities=activities)
                self.profiler.start()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.profiler and self.table:
            _wait()
            self.profiler.stop()
            order = f"self_{'cuda' if self.cuda else 'cpu'}_time_total"
            self.table.parent.mkdir(parents=True, exist_ok=True)
            text = self.profiler.key_averages().table(sort_by=order, row_limit=40, max_name_column_width=80)
            self.table.write_text(f"{PROFILED_STEPS} steps\n{text}\n", encoding="utf-8")


def multiplied(module: nn.Module) -> int:
    """The weights of a module that a token is multiplied with, adapters aside; by shape, as four bits are packed."""
    linear = [m for name, m in module.named_modules() if isinstance(m, nn.Linear) and "lora_" not in name]
    return sum(m.in_features * m.out_features for m in linear)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
