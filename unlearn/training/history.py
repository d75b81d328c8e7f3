"""The losses and seconds of a run, which outlive an interruption."""

import math
import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState


class History(TrainerCallback, ExportableState):
    """The loss terms of every step, in the Trainer's own log, and the seconds spent, beside it in its checkpoints."""

    def __init__(self) -> None:
        self._log: list[dict[str, float]] = []
        self.seconds = 0.0
        self.notes: dict[str, float] = {}  # other figures of the current step
        self._now: dict[str, float] = {}
        self._logged = 0
        self._started = time.monotonic()

    @property
    def losses(self) -> list[dict[str, float]]:
        """The terms of every step so far; rows that the Trainer logs have an epoch."""
        return [row for row in self._log if "epoch" not in row]

    def add(self, terms: Mapping[str, float]) -> None:
        """Add one micro-batch's share of the current step's terms."""
        for name, value in terms.items():
            self._now[name] = self._now.get(name, 0.0) + value

    def since_last_log(self) -> dict[str, float]:
        """The mean of each term over the steps since the last call."""
        rows, self._logged = self.losses[self._logged :], len(self.losses)
        names = dict.fromkeys(name for row in rows for name in row if name not in ("step", "loss"))
        return {name: math.fsum(row.get(name, 0.0) for row in rows) / len(rows) for name in names}

    def state(self) -> dict[str, Any]:
        spent = self.seconds + time.monotonic() - self._started
        return {"args": {}, "attributes": {"seconds": spent}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        states: Any = state.stateful_callbacks  # by class name; the checkpoint's when resuming
        self._log, self.seconds = state.log_history, states[type(self).__name__]["attributes"]["seconds"]
        self._logged, self._started = len(self.losses), time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        loss = math.fsum(self._now.values())
        self._log.append({"step": state.global_step, "loss": loss, **self._now, **self.notes})
        self._now = {}

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.seconds += time.monotonic() - self._started
