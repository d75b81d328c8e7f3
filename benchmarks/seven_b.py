"""Operations and memory of a training step at 2 to 8 billion parameters: counted, not timed, and not on a GPU.

    python benchmarks/seven_b.py --out runs/seven_b.md runs/seven_b.csv
    python benchmarks/seven_b.py --model Gemma3-4B --method kl dpo

Counted is what runs: ``train`` of a ``MethodTrainer`` on both kinds of questions about drawn images, the language model
and the projector trained, the tower frozen, only that floating-point tensors have no data (``counting.py``). LoRA: a
base in bfloat16, adapters in float32 as in the recipes. Full: weights in float32. Both under autocast (``--bf16``).

**Operations** are those of ``torch.utils.flop_counter``: matrix products, convolutions and attention, a multiplication
and an addition being two. They stand beside the least that the formula needs. Of a forward pass without padding, the
head at the answers' tokens alone, every part's own operations are taken

- once for the frozen tower, and once for every picture of a step, whoever asks about it, the reference too. A step is
  one of the first epoch: all its pictures are new. In later epochs what is kept of them costs no operations, so that
  both numbers become smaller by the same;
- twice for frozen weights of language model, projector and head beside adapters (4N a token), three times for adapters
  and for weights that are trained (6N); attention 3.5 times, as the counter has 2.5 for its backward pass;
- once for the reference, without the tower: with adapters in every step, else once a run, which is ``--epochs`` long.

Questions about one picture are read behind one copy of it where the engine does so (``dpo``'s two answers in LLaVA).
What checkpointing computes again is in the ratio to the least, and named apart.

**Memory** is weights, optimiser states (two a trained weight) and the most that the first micro-batch of a step holds
of what it made: gradients, logits (all that is a vocabulary wide), other activations. What an operator takes for
itself, what libraries take, the allocator's waste and the images come on top. QLoRA is arithmetic: linear layers but
the head at 4.127 bits a weight (NF4 in blocks of 64, their scales quantised).

Both are taken at two depths of the language model and, as every layer adds the same, from there at its real depth;
``tests/benchmarks/test_seven_b.py`` holds this against whole models, and fake numbers against real ones.

**Plain** is ``plain_step.py`` without checkpointing, counted the same way.
"""

import argparse
import gc
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import gpu_step
import plain_step
import small_llava
import tables
import torch
import transformers
from counting import Held, Operations, no_numbers
from plain_step import PlainStep
from shapes import SHAPES
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import PrinterCallback

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.versions import training_option
from unlearn import methods
from unlearn.tensors import batches, parts
from unlearn.tensors.batches import Batch
from unlearn.tensors.forward import Reader
from unlearn.training import reference
from unlearn.training.method_trainer import MethodTrainer
from unlearn.training.reference import StoredReference
from unlearn.training.reference_store import ReferenceValues

GB = 1e9
BACKWARD = 2.5  # of attention, times its forward pass, as the counter has it
QUANTISED = 4.127 / 8  # bytes of a weight in NF4
GOALS = {("off", "LoRA"): 1.05, ("off", "full"): 1.05, ("on", "LoRA"): 1.5, ("on", "full"): 1.3}
LORA_GB, QLORA_GB = 40, 24
TUNE = ["lm", "projector"]
IMAGE_SIZE = 512  # of the published images
METHODS = [name for name in methods.METHODS if name != "goal"]  # finetune on fewer samples


class Variant(NamedTuple):
    """What is counted."""

    model: str  # one of ``SHAPES``
    method: str
    lora: bool
    batch_size: int = 4
    tiny: bool = False

    @property
    def layers(self) -> int:
        """Of the language model."""
        return SHAPES[self.model].layers(tiny=self.tiny)

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The method's defaults; in a model of no size RMU's layer is a third of the way up."""
        found = methods.default_hyperparameters(methods.find(self.method))
        return {**found, **({"layer": self.layers // 3} if self.tiny and self.method == "rmu" else {})}

    @property
    def depths(self) -> tuple[int, int]:
        """Two depths of the language model from which on every layer adds the same; RMU reads the next one's input."""
        fewest = int(self.hyperparameters["layer"]) + 3 if self.method == "rmu" else 2
        return fewest, fewest + 1


class Counted(NamedTuple):
    """Of a step, operations and bytes; whatever grows with the number of layers is a number here."""

    step: float
    weights: float
    states: float
    peaks: tuple[Mapping[str, float], ...]  # what is held on top, by kind, of every phase
    reference: float = 0.0  # the pass that stores the reference's values for the questions of the step
    least: float = 0.0
    least_reference: float = 0.0
    quantised: float = 0.0  # how many weights would be held in four bits
    padding: float = 0.0  # tokens of the trained passes that fill rows up, as a share of the others

    @property
    def peak(self) -> Mapping[str, float]:
        """What is held in the phase in which most is."""
        return max(self.peaks, key=lambda held: sum(held.values()))


def at_depth(one: Counted, other: Counted, depths: tuple[int, int], layers: int) -> Counted:
    """What a model of so many layers counts, from what it counts at two depths."""

    def at(a: Any, b: Any) -> Any:
        if isinstance(a, Mapping):
            return {kind: at(a[kind], b[kind]) for kind in a}
        if isinstance(a, tuple):
            return tuple(at(*pair) for pair in zip(a, b, strict=True))
        return a + (b - a) * (layers - depths[0]) / (depths[1] - depths[0])

    return Counted(*(at(*pair) for pair in zip(one, other, strict=True)))


def count(variant: Variant, data: Benchmark, folder: Path, layers: int) -> dict[str, Counted]:
    """A step without checkpointing ("off"), with it ("on") and of the plain implementation, so many layers deep."""
    trainer = _trainer(variant, data, folder, layers)
    asked = _prepare_reference(trainer)
    least, least_reference = _least(trainer, variant)
    off = _trained(trainer)._replace(
        reference=asked,
        least=least,
        least_reference=least_reference,
        quantised=_quantised(trainer.core),
        padding=_padding(trainer),
    )
    for name, value in gpu_step._checkpointing(True).items():
        setattr(trainer.args, name, value)
    on = _trained(trainer)._replace(**{name: getattr(off, name) for name in Counted._fields[4:]})
    core: Any = trainer.core.get_base_model() if variant.lora else trainer.core
    getattr(core, training_option("activation_checkpointing_disable", dir(core)))()
    return {"off": off, "on": on, "plain": _plain(trainer, variant)}


def _trained(trainer: MethodTrainer) -> Counted:
    """A step of ``train``."""
    if trainer.features:
        trainer.features.clear()
    operations, held = Operations(), Held(_vocabulary(trainer))
    step = trainer.training_step

    def watched(*given: Any) -> Tensor:
        with _phases(trainer.core, held), held, operations:
            return step(*given)

    trainer.training_step = watched  # type: ignore[method-assign, assignment]
    trainer.train()
    trainer.training_step = step  # type: ignore[method-assign]
    head = trainer.core.get_output_embeddings()
    copied = trainer.reference._head if isinstance(trainer.reference, StoredReference) else head
    optimizer: Any = trainer.optimizer
    moved = [p for p in trainer.core.parameters() if p in optimizer.state]
    return Counted(
        step=operations.get_total_flops(),
        weights=_bytes(trainer.core) + (0 if copied is head else _bytes(copied)),
        states=2 * sum(p.nbytes for p in moved),
        peaks=tuple(held.peaks),
    )


def _plain(trainer: MethodTrainer, variant: Variant) -> Counted:
    """The same step of ``plain_step.py``."""
    known = variant.method in plain_step.LOSSES
    step = PlainStep(trainer, variant.method if known else "ga", variant.hyperparameters if known else {})
    if not known:
        step.loss = lambda model, reference, **sets: plain_step.nll(model, *sets.values())
    trainer.core.zero_grad()
    operations, held = Operations(), Held(_vocabulary(trainer))
    with trainer.accelerator.autocast(), _phases(trainer.core, held), held, operations:
        step(0)
    moved = [p for p in trainer.core.parameters() if p.grad is not None]
    return Counted(
        step=operations.get_total_flops(),
        weights=_bytes(trainer.core) + (_bytes(step.reference) if step.reference is not None else 0),
        states=2 * sum(p.nbytes for p in moved),
        peaks=tuple(held.peaks),
    )


def _trainer(variant: Variant, data: Benchmark, folder: Path, layers: int) -> MethodTrainer:
    dtype = torch.bfloat16 if variant.lora else torch.float32
    processor: Any
    model, processor = SHAPES[variant.model].model(data, dtype, tiny=variant.tiny, layers=layers)
    tuned = parts.tune(model, TUNE, gpu_step.LORA if variant.lora else None)
    trainer = small_llava.trainer(
        tuned, processor, data, variant.method, variant.hyperparameters, folder=folder,
        batch_size=variant.batch_size, epochs=1, max_steps=1, bf16=True, save_strategy="no",
        logging_strategy="no", report_to=[],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def _prepare_reference(trainer: MethodTrainer) -> float:
    """Operations of the pass that computes the reference's values, but not what a run computes once in any case.

    Nor the tower's, which are counted in the step.
    """
    operations, compute, features = Operations(), reference.compute, trainer.features

    def watched(*given: Any, **named: Any) -> ReferenceValues:
        if features:
            for batch in _collated(trainer).values():
                features.of(batch)
        with operations:
            return compute(*given, **named)

    reference.compute = watched
    try:
        trainer.prepare_reference()
    finally:
        reference.compute = compute
    return float(operations.get_total_flops())


@contextmanager
def _phases(core: Any, held: Held) -> Iterator[None]:
    """Tell ``held`` where a step has got to: within a phase all layers do alike, so its peak grows evenly with them.

    A phase begins with every forward pass, and in the backward pass behind the last layer and behind the first one.
    """
    layers = parts.decoder(core).layers
    first, last = layers[0], layers[-1]
    handles = [
        parameter.register_post_accumulate_grad_hook(lambda p: held.gradient(p.grad))
        for parameter in core.parameters()
        if parameter.requires_grad
    ]

    def begun(module: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        read = inputs[0] if inputs else named["hidden_states"]
        if module is first:
            held.next_phase()
        if read.requires_grad:
            handles.append(read.register_hook(lambda gradient: held.next_phase()))

    for layer in (first, last):
        handles.append(layer.register_forward_pre_hook(begun, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _least(trainer: MethodTrainer, variant: Variant) -> tuple[float, float]:
    """Operations that the formula needs, row by row, and those of the stored reference; see the head of this file."""
    core, asked = trainer.core, trainer.plan.asked.sets
    stored = 0.0
    step = 0.0
    known: set[str] = set()  # pictures
    for name, row, picture in _rows(trainer):
        layer = next((int(q.split("/")[1]) for q in asked[name] if q.startswith("activations/")), None)
        found = operations_by_kind(core, partial(_read, Reader(core, core), row, layer))
        tower, again = found["vision"], 2.0 if variant.lora else 3.0
        trained = found["weights"] * again + found["adapters"] * 3 + found["attention"] * (1 + BACKWARD)
        step += trained + (tower if picture not in known else 0)
        known.add(picture)
        if not reference.kinds(asked[name], 0):
            continue
        once = found["weights"] + found["attention"]
        if variant.lora:
            step += once
        else:
            stored += once
    return step, stored


def _read(reader: Reader, row: Batch, layer: int | None) -> Tensor:
    """What a method asks of a row: logits, or activations of a layer."""
    return reader.logits(row) if layer is None else reader.activations(row, layer)


def _padding(trainer: MethodTrainer) -> float:
    run = real = 0
    for batch in _collated(trainer).values():
        for part in batches.parts_by_length(batch, trainer.split or math.inf):
            run += part["labels"].numel()
            real += int(part["inputs"]["attention_mask"].sum())
    return run / real - 1


def _collated(trainer: MethodTrainer) -> dict[str, Batch]:
    """The batches of the first step."""
    drawn = range(trainer.plan.positions_a_step)
    collated: dict[str, Batch] = trainer.plan.collate([trainer.positions[position] for position in drawn])
    return collated


def _rows(trainer: MethodTrainer) -> Iterator[tuple[str, Batch, str]]:
    """The rows of the first step without padding: their set, themselves, and their picture's key."""
    for name, batch in _collated(trainer).items():
        units = [trainer.positions.at(name, position) for position in range(trainer.plan.positions_a_step)]
        pictures = [unit[0].image for unit in units for _ in (unit if len(batch["labels"]) > len(units) else unit[:1])]
        for row, picture in enumerate(pictures):
            yield name, batches.take(batch, [row]), picture


def operations_by_kind(core: Any, forward: Callable[[], Any]) -> dict[str, float]:
    """Operations of a forward pass by what they are of: the tower, adapters, other weights, attention.

    The projector's weights are among "weights", and named apart as well.
    """
    counter = FlopCounterMode(display=False)
    training = core.training
    core.eval()
    with torch.no_grad(), counter:
        forward()
    core.train(training)
    counts = counter.get_flop_counts()
    found = dict.fromkeys(("vision", "adapters", "weights", "attention", "projector"), 0.0)
    for module in counts.keys() - {"Global"}:
        for operator, operations in counts[module].items():
            for name, counted in ((module, operations), (_above(module, counts), -operations)):
                if name:
                    found[_kind(name, str(operator))] += counted
                if name and parts.part_of(name) == "projector" and "lora_" not in name:
                    found["projector"] += counted
    return found


def _above(module: str, counts: Mapping[str, Any]) -> str:
    """The next module in which a module's operations are counted as well; "" for the outermost."""
    above = module.rpartition(".")[0]
    while above and above not in counts:
        above = above.rpartition(".")[0]
    return above


def _kind(module: str, operator: str) -> str:
    if parts.part_of(module.partition(".")[2]) == "vision":
        return "vision"
    if "lora_" in module:
        return "adapters"
    return "attention" if "scaled_dot_product" in operator or "bmm" in operator else "weights"


def _vocabulary(trainer: MethodTrainer) -> int:
    return int(trainer.core.config.get_text_config().vocab_size)


def _bytes(module: nn.Module) -> int:
    tensors = [*module.parameters(), *module.buffers()]
    return sum({id(t.untyped_storage()): t.untyped_storage().nbytes() for t in tensors}.values())


def _quantised(core: Any) -> int:
    """Weights that would be held in four bits: of linear layers but the head and the adapters."""
    head = core.get_output_embeddings()
    linear = [
        module
        for name, module in core.named_modules()
        if isinstance(module, nn.Linear) and module is not head and "lora_" not in name
    ]
    return sum(module.weight.numel() for module in linear)


def rows(variant: Variant, data: Benchmark, folder: Path, epochs: Sequence[int]) -> list[dict[str, Any]]:
    """Two rows of the table, without checkpointing and with it."""
    with no_numbers():
        one, other = (count(variant, data, folder, layers) for layers in variant.depths)
    whole = {name: at_depth(one[name], other[name], variant.depths, variant.layers) for name in one}
    return [_row(name, whole[name], whole["off"], whole["plain"], variant, epochs) for name in ("off", "on")]


def _row(
    name: str, counted: Counted, off: Counted, plain: Counted, variant: Variant, epochs: Sequence[int]
) -> dict[str, Any]:
    trained = "LoRA" if variant.lora else "full"
    needed = counted.least + counted.least_reference / epochs[0]
    spent = {passes: counted.step + counted.reference / passes for passes in epochs}
    memory = counted.weights + counted.states + sum(counted.peak.values())
    quantised = memory - counted.quantised * (2 - QUANTISED)
    fits = memory <= LORA_GB * GB and quantised <= QLORA_GB * GB
    ratio = spent[epochs[0]] / needed
    return {
        "model": variant.model,
        "method": variant.method,
        "trained": trained,
        "checkpointing": name,
        "TFLOP a step": spent[epochs[0]] / 1e12,
        "least": needed / 1e12,
        "x least": ratio,
        "goal": "met" if ratio <= GOALS[name, trained] else "missed",
        "padding %": 100 * counted.padding,
        "computed again": (counted.step - off.step) / 1e12,
        "weights GB": counted.weights / GB,
        "states": counted.states / GB,
        **{kind: counted.peak[kind] / GB for kind in ("gradients", "logits", "activations")},
        "peak GB": memory / GB,
        "QLoRA GB": quantised / GB if variant.lora else None,
        "fits": ("yes" if fits else "no") if variant.lora else None,
        "plain TFLOP": plain.step / 1e12,
        **{f"plain / ours, {n} epochs": plain.step / spent[n] if name == "off" else None for n in epochs},
        "plain peak GB": (plain.weights + plain.states + sum(plain.peak.values())) / GB,
    }


def main() -> None:
    """Count, print a table, write it to ``--out``; what a table there holds already is not counted again."""
    options = _arguments()
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        folder = Path(name)
        data = small_llava.benchmark(folder, tiny=options.tiny, image_size=IMAGE_SIZE)
        gc.freeze()  # every training collects garbage, and what is here by now is none
        found = _known(options.out)
        for variant in _variants(options):
            if any(_same(row, variant) for row in found):
                continue
            found = sorted([*found, *rows(variant, data, folder, options.epochs)], key=_place)
            print(*(variant.model, variant.method, "LoRA" if variant.lora else "full"), flush=True)
            for path in options.out:
                tables.write(path, "A training step, counted", found, _facts(options))
    tables.show("A training step, counted", found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--trained", nargs="+", choices=["LoRA", "full"], default=["LoRA", "full"])
    parser.add_argument("--batch_size", type=int, default=4, help="positions of each set in a micro-batch")
    parser.add_argument("--epochs", nargs="+", type=int, default=[1, 5], help="of the run, for a stored reference")
    parser.add_argument("--tiny", action="store_true", help="models of no size, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def _variants(options: argparse.Namespace) -> Iterator[Variant]:
    for model in options.model:
        for trained in options.trained:
            for method in options.method:
                yield Variant(model, method, trained == "LoRA", options.batch_size, options.tiny)


def _known(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The rows of a ``.json`` among the files to write, where it is there."""
    return [
        row
        for path in paths
        if path.suffix == ".json" and path.exists()
        for row in json.loads(path.read_text())["rows"]
    ]


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        list(SHAPES).index(row["model"]),
        row["trained"],
        METHODS.index(row["method"]),
        row["checkpointing"],
    )


def _same(row: Mapping[str, Any], variant: Variant) -> bool:
    trained = "LoRA" if variant.lora else "full"
    return (row["model"], row["method"], row["trained"]) == (variant.model, variant.method, trained)


def _facts(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "counted": "operations by torch.utils.flop_counter, memory by what is held; not timed, and not on a GPU",
        "columns": "explained at the head of benchmarks/seven_b.py",
        "goals": "1.05 times the least without checkpointing; with it 1.5 for LoRA, 1.3 for full training",
        "fits": f"LoRA in {LORA_GB} GB, QLoRA in {QLORA_GB} GB",
        "a stored reference": f"its pass over {options.epochs[0]} epoch in the ratio to the least",
        "micro-batch": f"{options.batch_size} positions of each set",
        "adapters": f"rank {gpu_step.LORA.r}",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


if __name__ == "__main__":
    main()
