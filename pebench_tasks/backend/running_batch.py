"""The rows of a batch that is being answered: their new tokens, and what the model needs to go on.

Works on what ``generate`` of transformers prepared. Two things are done to it that ``generate`` never does: rows are
taken out, and several tokens are given to the model at once, of which only the first few of a row may count. The others
leave holes in that row's cache: masked, with the positions of what follows them counted without them.
"""

from collections.abc import Hashable, Sequence
from typing import Any, cast

import torch
from transformers import GenerationConfig, GenerationMixin
from transformers.generation.utils import MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL

from pebench_tasks.backend import shared_prefix
from pebench_tasks.backend.kv_cache import give_room, keep_rows, rows_can_be_dropped, written_in_place
from pebench_tasks.versions import kept_cache

ROOM = 128  # tokens for which room is made in the cache at once
ENDED = 1 / 8  # rows that have ended are taken out once they are this share of the batch: it copies the cache
GROWING = ("attention_mask", "token_type_ids", "mm_token_type_ids")  # a column per token


class RunningBatch:
    """See the module's docstring; ``logits`` are those of the tokens given last, ``(rows, tokens, vocabulary)``."""

    logits: torch.Tensor

    def __init__(
        self,
        model: Any,
        input_ids: torch.Tensor,
        config: GenerationConfig,
        model_kwargs: dict[str, Any],
        images: Sequence[Hashable] = (),
    ) -> None:
        """Runs the model on the prompts, ``(rows, tokens)``; ``fast``: whether rows can be taken out.

        ``images`` says of every row which picture it is about; left out, each is read on its own.
        """
        self._model, self.ids = model, input_ids
        rows, prompt = input_ids.shape
        self.pad = int(cast(torch.Tensor, config._pad_token_tensor))
        self._end_tokens = set() if config._eos_token_tensor is None else set(config._eos_token_tensor.tolist())
        self._most = config.max_length - prompt
        self.answers: list[list[int]] = [[] for _ in range(rows)]  # of all rows, also those taken out
        self.rows = list(range(rows))  # those still here
        self.over = [False] * rows  # of those still here
        self.cache = kept_cache(model_kwargs)
        self.fast = rows_can_be_dropped(self.cache)
        shared = shared_prefix.find(model, self.cache, input_ids, model_kwargs, images) if images else None
        if self.fast:
            give_room(self.cache, min(self._most, ROOM) + (prompt - shared.tokens if shared else 0))
        if shared:
            prompts = shared_prefix.padded_behind(shared, input_ids, model_kwargs)
            outputs = shared_prefix.prefill(shared, model, self.cache, prompts, model_kwargs)
        else:
            outputs = model._prefill(input_ids, config, model_kwargs)
        # Without the pictures: they are in the cache now, and would be encoded again with every token.
        self._kwargs = {
            name: value for name, value in model_kwargs.items() if name not in MULTIMODAL_INPUTS_TO_DROP_OUTSIDE_PREFILL
        }
        # Found by size, not by name: families hand on tensors of their own.
        self._per_row = [
            name
            for name, value in self._kwargs.items()
            if isinstance(value, torch.Tensor) and value.ndim > 0 and value.shape[_row_axis(name, value)] == rows
        ]
        self._next_position: torch.Tensor | None = None  # (..., rows, 1), where tokens are guessed
        self._read(outputs, 1)

    def guess_ahead(self) -> bool:
        """Prepare for several tokens at once; whether this model and its cache can be given them."""
        positions = self._kwargs.get("position_ids")
        # A wrong guess leaves a hole behind it. So we must be the ones who count positions, the cache must keep its
        # places, the attention take any mask, and the family do nothing of its own between two passes.
        can = bool(
            positions is not None
            and written_in_place(self.cache)
            and self._model.config._attn_implementation in shared_prefix.MASKED_ATTENTION
            and type(self._model)._update_model_kwargs_for_generation
            is GenerationMixin._update_model_kwargs_for_generation
        )
        if can:
            last = cast(torch.Tensor, positions)[..., -1:]
            self._next_position = last.expand(*last.shape[:-2], len(self.rows), 1)
        return can

    def _read(self, outputs: Any, tokens: int) -> None:
        self._kwargs = self._model._update_model_kwargs_for_generation(outputs, self._kwargs, is_encoder_decoder=False)
        # A copy: the prompt's logits are large, and processors write into them.
        self.logits = outputs.logits[:, -tokens:].to(copy=True, dtype=torch.float32, device=self.ids.device)

    def take(self, best: torch.Tensor, guesses: Sequence[Sequence[int]]) -> int:
        """Add the model's choices ``(rows, tokens)`` as far as the guesses before them were right; how many were."""
        right = [0] * len(self.rows)
        for i, (row, choices) in enumerate(zip(self.rows, best.tolist(), strict=True)):
            if self.over[i]:
                continue
            # A guess counts if the model says the same to all that stands before it: the token is its own choice then.
            while right[i] < len(guesses[i]) and guesses[i][right[i]] == choices[right[i]]:
                right[i] += 1
            for token in choices[: right[i] + 1]:
                self.answers[row].append(token)
                if token in self._end_tokens or len(self.answers[row]) == self._most:
                    self.over[i] = True
                    break
        if self._next_position is not None:
            counted = torch.tensor(right, device=self.ids.device)[:, None]  # (rows, 1), beside the token before them
            if best.shape[1] > 1:
                self._mask_wrong(torch.arange(best.shape[1], device=self.ids.device) <= counted)
                self._next_position = self._next_position + counted
        return sum(right)

    def _mask_wrong(self, counts: torch.Tensor) -> None:
        """Which of the tokens given last, ``(rows, tokens)``, what follows may see."""
        mask = self._kwargs.get("attention_mask")
        if mask is None:
            length = self.cache.get_seq_length() + 1  # with the next token
            mask = torch.ones(len(self.rows), length, dtype=torch.long, device=self.ids.device)
            self._per_row.append("attention_mask")
        # The last column is of the token that comes next, whatever the guesses were worth.
        self._kwargs["attention_mask"] = mask.clone()
        self._kwargs["attention_mask"][:, -counts.shape[1] - 1 : -1] = counts

    def end(self, over: Sequence[bool]) -> None:
        """These rows, of those still here, hold all that is wanted."""
        self.over = [before or now for before, now in zip(self.over, over, strict=True)]

    def drop_ended(self) -> None:
        """Take out the rows that are over, once they are many enough, where the cache allows it."""
        if sum(self.over) < ENDED * len(self.rows) or not self.fast:
            return
        places = [i for i, over in enumerate(self.over) if not over]
        kept = torch.tensor(places, device=self.ids.device)
        self.rows, self.over = [self.rows[i] for i in places], [False] * len(places)
        self.ids = self.ids[kept]
        keep_rows(self.cache, kept)
        for name in self._per_row:
            self._kwargs[name] = self._kwargs[name].index_select(_row_axis(name, self._kwargs[name]), kept)
        if self._next_position is not None:
            self._next_position = self._next_position.index_select(-2, kept)

    def room(self, row: int) -> int:
        """How many tokens may still follow in a row's answer."""
        return self._most - len(self.answers[row])

    def go_on(self, guesses: Sequence[Sequence[int]]) -> None:
        """Give every row's last token to the model, and the guessed ones behind it."""
        tokens = 1 + max(map(len, guesses))
        # A row that is over, but still here, goes on with padding, which nobody reads.
        given = [
            [self.pad if over else self.answers[row][-1], *guess, *[self.pad] * (tokens - 1 - len(guess))]
            for row, over, guess in zip(self.rows, self.over, guesses, strict=True)
        ]
        self.ids = torch.cat([self.ids, torch.tensor(given, device=self.ids.device)], dim=-1)
        if tokens > 1:  # the model makes room for one more token itself
            for name in GROWING:
                if (value := self._kwargs.get(name)) is not None:
                    self._kwargs[name] = torch.cat([value, value[:, -1:].expand(-1, tokens - 1)], dim=-1)
        if self._next_position is not None:
            ahead = torch.arange(tokens, device=self.ids.device)
            self._kwargs["position_ids"] = self._next_position + ahead
            self._next_position = self._next_position + 1
        # Every guess must be judged, so the logits of all these tokens are wanted, not of the last alone.
        if "logits_to_keep" in self._kwargs:
            self._kwargs["logits_to_keep"] = tokens
        length = tokens if self._kwargs["use_cache"] else None
        inputs = self._model.prepare_inputs_for_generation(self.ids, next_sequence_length=length, **self._kwargs)
        self._read(self._model(**inputs, return_dict=True), tokens)


def _row_axis(name: str, value: torch.Tensor) -> int:
    """The axis of the batch; positions may be ``(axes, batch, tokens)``."""
    return 1 if name == "position_ids" and value.ndim == 3 else 0
