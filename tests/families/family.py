"""What the matrix knows of a model family: how to build it tiny, how long it learns, which stock backends read it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Built = tuple[Any, Any]  # an untrained model and its processor


class Stock(NamedTuple):
    """A backend of the harness that should read the family's checkpoints."""

    backend: str  # the harness's --model
    arguments: str = "pretrained={path}"  # its --model_args
    batch_size: int = 8
    reads: bool = True  # every document right; the page says what was measured


class Family(NamedTuple):
    """One family of multimodal models of transformers."""

    name: str  # as its authors write it
    key: str  # the test's id: config.model_type where that is unique
    build: Callable[[Sequence[str]], Built]  # from the texts that its tokenizer must write
    steps: int = 240  # of finetuning, until it writes the answers to 16 images by heart
    learning_rate: float = 2e-3
    batch_size: int = 8
    stock: tuple[Stock, ...] = ()
    runs: str = "families"  # the marker of its checks but the cheap ones; with "" its whole row runs in every test run
    limits: tuple[str, ...] = ()  # tests known to fail, "test_x" or "test_x[siu-full]"; the page quotes their errors
