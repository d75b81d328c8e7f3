"""Greedy and sampled answers of a batch in few passes of the model.

``generate`` of transformers keeps every row of a batch until the last one has ended, one token a pass. It also takes a
decoding loop to run on its own preparation (``custom_generate``): this one drops the rows that ended from the batch and
from the cache, writes the cache in place, checks guesses of several tokens at once where the model allows it, and stops
at a task's ``until`` strings. Greedy tokens are the ones that ``generate`` chooses, sampled ones come from a seed of
each answer (``sampling``). Beams, encoder-decoder models, a limit of time and stop strings of a checkpoint's own go the
ordinary way.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, cast

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.backend.generation_settings import generation_config, own_settings
from pebench_tasks.backend.running_batch import RunningBatch
from pebench_tasks.backend.sampling import Sampling, sampling

MAX_NEW_TOKENS = 256  # where a task does not say; ours do
GUESSED = 1 / 2  # share of the rows that must have a guess: all become as long as the longest
FEW = 1 / 8  # share of a batch's rows that may be left for later
LOOK = 8  # passes between two looks for an ``until`` string, which needs the text


class Answer(NamedTuple):
    """What a model answered to one prompt."""

    text: str
    tokens: int  # generated, the end token included


def answer(
    model: Any,
    tokenizer: Any,
    inputs: Mapping[str, Any],
    settings: Mapping[str, Any],
    drafts: Drafts | None = None,
    *,
    images: Sequence[Hashable] = (),
    seeds: Sequence[bytes] = (),
    leave_few: bool = False,
    own_loop: bool = True,
    slow: Callable[[str], None] = lambda why: None,
) -> list[Answer | None]:
    """The answers to a batch of prompts, in their order.

    ``inputs`` are the model's, on its device and padded on the left; ``settings`` are a task's generation settings;
    ``tokenizer`` reads the answers; ``drafts`` are of this model; ``images`` says of every prompt which picture it is
    about, so that those about one may share it (see ``shared_prefix``); ``seeds`` what its answer is drawn from, if the
    settings want it drawn. With ``leave_few``, the last few rows may be left unanswered (None): passes for a handful of
    rows cost nearly as much as for many, so ask these again together; what they said so far is in ``drafts``.
    ``own_loop=False`` leaves all to transformers. ``slow`` is told why answers do not come as fast as they could.
    """
    wanted = dict(settings)
    until = wanted.pop("until", None) or []
    until = [until] if isinstance(until, str) else [stop for stop in until if stop]
    drawn = sampling(wanted, generation_config(model), seeds) if own_loop else None
    if drawn:
        wanted["do_sample"] = False  # the loop draws
    arguments = _arguments(model, tokenizer, wanted)

    def texts(tokens: Sequence[Sequence[int]]) -> list[str]:
        return list(tokenizer.batch_decode(tokens, skip_special_tokens=True))

    ordinary = arguments["do_sample"] or arguments["num_beams"] > 1 or arguments.get("max_time") or not own_loop
    why = "it is an encoder-decoder" if model.config.is_encoder_decoder else ""
    if "tokenizer" in arguments:
        why = "it has stop strings of its own"
    if why and not ordinary:
        slow(why)
    if why or ordinary:
        tokens = _new_tokens(model.generate(**inputs, **arguments), inputs["input_ids"])  # (batch, tokens)
        answers = [[token for token in row if token != arguments["pad_token_id"]] for row in tokens.tolist()]
        left: set[int] = set()
    else:
        stops = (lambda rows: [_end(text, until) >= 0 for text in texts(rows)]) if until else None
        loop = DecodingLoop(stops, drafts, images=images, drawn=drawn, leave_few=leave_few)
        model.generate(**inputs, **arguments, custom_generate=loop)
        if loop.cache is not None:
            slow(f"its cache is a {loop.cache}")
        answers, left = loop.answers, loop.left
    return [
        None if row in left else Answer(_cut(text, until), len(tokens))
        for row, (text, tokens) in enumerate(zip(texts(answers), answers, strict=True))
    ]


def _arguments(model: Any, tokenizer: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The task's settings as arguments of ``generate``; greedy unless they say ``do_sample``.

    Of the checkpoint's own settings those that give way are overruled; see ``generation_settings``.
    """
    own = own_settings(model, tokenizer.pad_token_id)
    arguments = {"max_new_tokens": MAX_NEW_TOKENS, "num_beams": 1, "do_sample": False, **own.arguments, **settings}
    if "stop_strings" in own.obeyed:
        arguments["tokenizer"] = tokenizer
    if not arguments["do_sample"]:
        arguments |= {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    arguments["pad_token_id"] = tokenizer.pad_token_id
    if model.generation_config.eos_token_id is None:
        arguments["eos_token_id"] = tokenizer.eos_token_id
    return arguments


def _new_tokens(tokens: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:
    """Without the prompt; families that generate from embeddings return the new tokens alone."""
    if tokens.shape[1] >= asked.shape[1] and torch.equal(tokens[:, : asked.shape[1]], asked):
        return tokens[:, asked.shape[1] :]
    return tokens


def _end(text: str, until: Sequence[str]) -> int:
    """Where the first stop string begins; -1 if there is none."""
    return min((place for stop in until if (place := text.find(stop)) >= 0), default=-1)


def _cut(text: str, until: Sequence[str]) -> str:
    end = _end(text, until)
    return text if end < 0 else text[:end]


class DecodingLoop:
    """A decoding loop for ``generate(custom_generate=...)``; the answers are in ``answers`` when it is done."""

    def __init__(
        self,
        ended: Callable[[list[list[int]]], list[bool]] | None = None,
        drafts: Drafts | None = None,
        *,
        images: Sequence[Hashable] = (),
        drawn: Sampling | None = None,
        leave_few: bool = False,
    ) -> None:
        """``ended`` says which answers hold all that is wanted; None: only an end token ends an answer."""
        self._ended = ended
        self._drafts = drafts
        self._images = images
        self._drawn = drawn
        self._leave_few = leave_few
        self.cache: str | None = None  # of which kind, where it is one that no row can be taken out of
        self.left: set[int] = set()  # rows left unanswered
        self.answers: list[list[int]] = []  # new tokens of each row, the end token included

    def __call__(
        self,
        model: Any,
        input_ids: torch.Tensor,  # (batch, prompt tokens)
        logits_processor: LogitsProcessorList,
        stopping_criteria: StoppingCriteriaList,
        generation_config: GenerationConfig,
        **model_kwargs: Any,
    ) -> torch.Tensor:
        """Called by ``generate``; returns the new tokens, ``(batch, tokens)``, padded on the right.

        An end token and a length are all that stops an answer here.
        """
        batch = RunningBatch(model, input_ids, generation_config, model_kwargs, self._images)
        self.answers = batch.answers
        self.cache = None if batch.fast else type(batch.cache).__name__
        drafts = None if logits_processor else self._drafts
        if drafts is not None and not batch.guess_ahead():
            drafts = None
        learned: set[int] = set()  # rows
        guesses: list[list[int]] = [[] for _ in batch.rows]
        for passes in count(1):
            logits: torch.Tensor = batch.logits
            if logits_processor:
                logits = logits_processor(cast(torch.LongTensor, batch.ids), batch.logits[:, -1])[:, None]
            right = batch.take(self._choose(logits, batch), guesses)
            if self._ended is not None and passes % LOOK == 0:
                batch.end(self._ended([self.answers[row] for row in batch.rows]))
            if drafts is not None and any(guesses):
                drafts.check(right, sum(map(len, guesses)))
            if drafts is not None:
                for row, over in zip(batch.rows, batch.over, strict=True):
                    if over and row not in learned:
                        drafts.learn(self.answers[row])
                        learned.add(row)
            if all(batch.over):
                break
            if not logits_processor:  # these may keep a value per row
                batch.drop_ended()
            guesses = [[] for _ in batch.rows] if drafts is None else _guesses(drafts, batch)
            few = batch.over.count(False) <= FEW * len(self.answers)
            if drafts is not None and self._leave_few and few and not any(guesses):
                self.left = {row for row, over in zip(batch.rows, batch.over, strict=True) if not over}
                for row in self.left:
                    drafts.learn(self.answers[row])
                break
            batch.go_on(guesses)
        tokens = [torch.tensor(one) for one in self.answers]
        return pad_sequence(tokens, batch_first=True, padding_value=batch.pad).to(input_ids.device)

    def _choose(self, logits: torch.Tensor, batch: RunningBatch) -> torch.Tensor:
        """The next token of every row, and what would follow its guesses; ``(rows, tokens)``."""
        if self._drawn is None:
            return logits.argmax(dim=-1)
        return self._drawn.choose(logits, [(row, len(batch.answers[row])) for row in batch.rows])


def _guesses(drafts: Drafts, batch: RunningBatch) -> list[list[int]]:
    """A guess for every row; none at all where it is too few rows that have one: all are as long as the longest."""
    guesses = [
        [] if over else drafts.guess(batch.answers[row], batch.room(row) - 1)
        for row, over in zip(batch.rows, batch.over, strict=True)
    ]
    return guesses if sum(map(bool, guesses)) >= GUESSED * len(guesses) else [[] for _ in guesses]
