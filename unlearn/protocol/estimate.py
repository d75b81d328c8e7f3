"""What a run of the whole protocol on a user's own base model will take, said before it starts. Rough, and says so."""

import time
from collections.abc import Sequence
from functools import cache

import torch
from rich.console import Console
from rich.table import Table

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from unlearn.arguments import parse
from unlearn.tensors import parts
from unlearn.training.loading import count_parameters, read_config, without_weights

TOKENS_A_SAMPLE = 700  # a picture of LLaVA-1.5 is 576 tokens; question and answer come on top
NEW_TOKENS = 40
UTILISATION = 0.3  # of the matrix rate measured here; what plain training loops reach


def print_estimate(
    model: str, benchmark: Benchmark, forget: str, recipes: Sequence[Sequence[str]], checkpoints: int, console: Console
) -> None:
    """Print time, disk and memory for the stages whose training options are ``recipes``."""
    count = count_parameters(read_config(model))
    cuda = torch.cuda.is_available()
    width = 2 if cuda else 4  # bytes of a weight: bfloat16 on a GPU, float32 on a CPU
    trained = sum(_samples(words, benchmark) for words in recipes)
    asked = checkpoints * sum(len(documents(benchmark, target, forget)) for target in ("person", "event")) // 2
    lora = all(parse(words)[0].lora for words in recipes)
    operations = (4.0 if lora else 6.0) * count * TOKENS_A_SAMPLE * trained + 2.0 * count * (
        TOKENS_A_SAMPLE + NEW_TOKENS
    ) * asked
    seconds = operations / (_matrix_rate("cuda" if cuda else "cpu") * UTILISATION)
    console.print(
        f"Rough estimates for {model}, {count / 1e9:.3g} billion parameters:", highlight=False, soft_wrap=True
    )
    table = Table(box=None)
    table.add_column("what")
    table.add_column("about", justify="right")
    table.add_column("because", overflow="fold")
    table.add_row(
        "time", _duration(seconds), f"{trained:,} samples trained, {asked:,} documents answered, "
        f"each {TOKENS_A_SAMPLE} tokens, at {UTILISATION:.0%} of the matrix rate measured here",
    )  # fmt: skip
    table.add_row(
        "disk",
        f"{sum(_saved_bytes(words, model, count * width) for words in recipes) / 1e9:.1f} GB",
        f"{checkpoints} checkpoints; four times one of them on top while a run lasts",
    )
    held = "weights; adapters and activations on top" if lora else "weights, gradients, two Adam moments; more on top"
    table.add_row("memory", f"{count * width * (1 if lora else 4) / 1e9:.1f} GB", held)
    console.print(table)


def _saved_bytes(words: Sequence[str], model: str, whole: int) -> int:
    """What a run leaves on disk: a ``whole`` model, or adapters in float32."""
    arguments = parse(words)[0]
    lora = arguments.lora_settings()
    return _adapter_bytes(model, tuple(arguments.tune), lora) if lora and arguments.save == "adapter" else whole


@cache
def _adapter_bytes(model: str, tune: tuple[str, ...], lora: parts.Lora) -> int:
    adapted = parts.tune(without_weights(read_config(model)), tune, lora)
    return 4 * sum(parameter.numel() for parameter in adapted.parameters() if parameter.requires_grad)


def _samples(words: Sequence[str], benchmark: Benchmark) -> int:
    """Questions that one run of ``python -m unlearn`` with these options trains on."""
    from unlearn.training.plan import positions_a_step, with_draws
    from unlearn.training.run import sets_of

    arguments, training = parse(words)
    split = benchmark.split(arguments.target, arguments.forget_set) if arguments.target else None
    if arguments.draws_per_concept and split:
        training = with_draws(training, arguments.draws_per_concept, len(split.forget_ids))
    batch = positions_a_step(training)
    sets = sets_of(arguments, benchmark, split)
    first = len(next(iter(sets.values())))
    steps = training.max_steps if training.max_steps > 0 else training.num_train_epochs * first / batch
    return round(steps * batch * sum(len(chosen.at(0, "")) for chosen in sets.values()))


def _matrix_rate(device: str) -> float:
    """Floating-point operations a second of a square matrix product here, in the dtype that would be used."""
    size = 4096 if device == "cuda" else 1024
    matrix = torch.randn(size, size, device=device, dtype=torch.bfloat16 if device == "cuda" else torch.float32)
    matrix @ matrix
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < 0.3:
        matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        count += 1
    return count * 2.0 * size**3 / (time.perf_counter() - started)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds > 5400 else f"{max(1, round(seconds / 60))} minutes"
