"""The losses and seconds of a run, which outlive an interruption."""

import math
import time
from collections.abc import Mapping
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ExportableState


class History(TrainerCallback, ExportableState):
    """The loss terms of every step and the seconds spent, kept in the Trainer's checkpoints."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []
        self.seconds = 0.0
        self.notes: dict[str, float] = {}  # other figures of the current step
        self._now: dict[str, float] = {}
        self._logged = 0
        self._started = time.monotonic()

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
        return {"args": {}, "attributes": {"losses": self.losses, "seconds": spent}}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        states: Any = state.stateful_callbacks  # by class name; the checkpoint's when resuming
        saved = states[type(self).__name__]["attributes"]
        self.losses, self.seconds = list(saved["losses"]), saved["seconds"]
        self._logged, self._started = len(self.losses), time.monotonic()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        loss = math.fsum(self._now.values())
        self.losses.append({"step": state.global_step, "loss": loss, **self._now, **self.notes})
        self._now = {}

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.seconds += time.monotonic() - self._started
