"""Training and unlearning: checkpoint in, checkpoint out. ``train`` is ``python -m unlearn`` for a program."""

from pathlib import Path
from typing import Any

__all__ = ["train"]


def train(**options: Any) -> Path:
    """Train or unlearn one checkpoint; returns its folder.

    ``options`` are those of ``python -m unlearn``, without the dashes: ``method``, ``model``, ``data``, ``output_dir``,
    ``target``, ``forget``, ``config`` and all others, a method's own and transformers' among them. A list stands for
    several values; None for an option that is not given. Without ``config`` the method's recipe counts, as on the
    command line. Raises ``BenchmarkError`` for what cannot be done. An interrupted training goes on with the same call.

        unlearn.train(method="gd", model="finetuned", data="bench", target="event", forget=20, output_dir="gd-event")
    """
    from unlearn.arguments import as_text, parse
    from unlearn.recipes.choosing import choose
    from unlearn.training.run import train_from_options

    words: list[str] = []
    for name, value in options.items():
        if isinstance(value, list | tuple):
            words += [f"--{name}", *map(as_text, value)]
        elif value is not None:
            words.append(f"--{name}={as_text(value)}")  # in one word, for a value may begin with a dash
    return train_from_options(*parse(words, choose))
