"""What a method sees of a set: the model's loss on its answers, computed when the method asks and not before."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the registry and ``--help`` read method signatures without loading torch
    from torch import Tensor


class Answers(Protocol):
    """One set's share of the batch; asking runs the model on it, not asking costs nothing."""

    def nll(self) -> "Tensor":
        """Negative log-likelihood, the mean over answer tokens (end token included); a scalar."""

    def logp(self) -> "Tensor":
        """Log-probability of each answer, the sum over its tokens (end token included); ``(samples,)``."""


Terms = Iterator[tuple[str, "Tensor"]]
Method = Callable[..., Terms]
Hyperparameters = dict[str, Any]
