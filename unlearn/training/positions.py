"""What is drawn at each position of a run, and the order in which positions are read."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from torch.utils.data import Dataset, Sampler

from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question, SampleSet
from unlearn.tensors.batches import Batch
from unlearn.tensors.encoding import Encoded, Encoder
from unlearn.training.reference_store import Kinds, ReferenceValues

Drawn = dict[str, list[Encoded]]  # by set


class Positions(Dataset):
    """All sets drawn at one position. Positions count on from epoch to epoch.

    An epoch of ``epoch`` positions is rounded up to whole steps of ``step``, so that every step is as large as the
    others.
    """

    def __init__(self, sets: Mapping[str, SampleSet], encoder: Encoder, seed: int, step: int, *, epoch: int) -> None:
        self.sets, self.encoder, self.seed = sets, encoder, seed
        self.epoch = 0
        self._length = math.ceil(epoch / step) * step
        self.values: ReferenceValues | None = None
        self.wanted: dict[str, Kinds] = {}  # by set, the reference values that go into the batch
        self.last: int | None = None  # this process's; the loader reads ahead, and beyond it there are no values

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> Drawn | BenchmarkError:
        """What is drawn, or why it cannot be had: raised in a loader worker, that would come with its traceback."""
        if self.last is not None:
            position = min(position, self.last)
        try:
            return {name: [self._encode(name, question) for question in self.at(name, position)] for name in self.sets}
        except BenchmarkError as error:
            return error

    def at(self, name: str, position: int) -> tuple[Question, ...]:
        """The questions of one set at a position."""
        return self.sets[name].at(position, f"{self.seed}/{name}")

    def _encode(self, name: str, question: Question) -> Encoded:
        encoded = self.encoder(question)
        if self.values is None or name not in self.wanted:
            return encoded
        return encoded._replace(sample={**encoded.sample, **self.values.attach(question, self.wanted[name])})

    def set_epoch(self, epoch: int) -> None:
        """Called by accelerate, on the dataset or through the sampler, before each epoch."""
        self.epoch = epoch


class InOrder(Sampler[int]):
    """The positions of the dataset's current epoch; which samples they hold is shuffled there."""

    def __init__(self, dataset: Positions) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        start = self.dataset.epoch * len(self.dataset)
        return iter(range(start, start + len(self.dataset)))

    def set_epoch(self, epoch: int) -> None:
        self.dataset.set_epoch(epoch)


def batch_or_refusal(
    collate: Callable[[Sequence[Drawn]], dict[str, Batch]], drawn: Sequence[Drawn | BenchmarkError]
) -> dict[str, Batch] | BenchmarkError:
    """The batch of some positions, or why there is none: for whoever takes it from the loader to raise."""
    if refused := [position for position in drawn if isinstance(position, BenchmarkError)]:
        return refused[0]
    try:
        return collate([position for position in drawn if not isinstance(position, BenchmarkError)])
    except BenchmarkError as error:
        return error
