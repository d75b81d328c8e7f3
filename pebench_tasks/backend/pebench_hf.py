"""The harness model ``pebench_hf``: batched greedy answers from any checkpoint, and how likely it finds given ones.

    lmms-eval --model pebench_hf --model_args pretrained=DIR_or_hub_id --tasks pebench_people --batch_size auto

``DIR`` may also hold a PEFT adapter (``adapter_config.json``); its base is loaded under it. Everything that decides
what the model sees comes from the checkpoint itself: image sizes, chat template, special tokens. Every request is
answered for its own document, requests with the same image and text are generated once, and no error is swallowed: a
backend that answers "" where it failed looks like a model that has forgotten everything.

What makes it fast stands in modules of its own: ``prompts`` (order, windows), ``prefetch`` (the next batch is made
meanwhile), ``processed_images`` and ``image_features`` (an image is processed and encoded once), ``generation`` (rows
that ended cost nothing, and answers that recur few passes), ``batch_size`` (out of memory is not the end), ``journal``
(an interrupted run goes on).
"""

import copy
import inspect
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.utils import simple_parse_args_string
from tqdm import tqdm

from pebench_tasks.backend import families
from pebench_tasks.backend.batch_size import (
    AUTO,
    BatchSize,
    free_bytes,
    is_out_of_memory,
    peak_bytes,
    release_memory,
    reset_peak,
)
from pebench_tasks.backend.blame import raised_by_libraries
from pebench_tasks.backend.checkpoint_name import check_checkpoint
from pebench_tasks.backend.conversations import BEGUN, abilities
from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.backend.generation import Answer, answer
from pebench_tasks.backend.generation_settings import own_settings
from pebench_tasks.backend.image_features import ImageFeatures
from pebench_tasks.backend.journal import Journal, identify
from pebench_tasks.backend.likelihood import (
    AnsweredBatch,
    Pair,
    harness_result,
    prepare,
    read_pair,
    refuse_without_question,
    token_scores,
)
from pebench_tasks.backend.packed_linear import pack, wants_packing
from pebench_tasks.backend.prefetch import ahead
from pebench_tasks.backend.processed_images import ProcessedImages
from pebench_tasks.backend.prompts import Prompt, in_order, read_prompt, same_batch
from pebench_tasks.backend.rounding import load_rounded
from pebench_tasks.backend.threads import fitting_threads
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.likelihoods import TokenScores

R = TypeVar("R")


class Batch(NamedTuple):
    """Prompts that are answered together, and what the model reads of them."""

    prompts: list[Prompt]
    inputs: Any  # a BatchFeature on the CPU


class PebenchHf(lmms):
    """One implementation for every family; see the module's docstring for what it promises."""

    is_simple = False
    counts_each = True  # the numbers of tokens are those of each answer, in a batch too
    tells_tokens = True  # a likelihood comes with that of every token

    def __init__(
        self,
        pretrained: str,
        batch_size: int | str = AUTO,
        device: str | None = None,
        dtype: str = "auto",
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
        max_batch_size: int | None = None,
        journal: str | None = None,
        packed: str | bool = AUTO,
        share_prefix: bool = True,
        load_in: str | None = None,
    ) -> None:
        """Load the checkpoint.

        ``device`` defaults to the GPU if there is one, ``dtype`` "auto" to bfloat16 there and float32 on a CPU (near
        ties make bfloat16 answers depend on the batch size). Under torchrun every process takes its share of the
        requests, each on a device of its own, or all on the CPU. ``journal`` is a folder that keeps the answers given
        so far. ``packed`` (auto, true or false): see ``packed_linear``. ``share_prefix=False`` puts every prompt
        through the model as a whole: see ``shared_prefix``. ``load_in`` rounds the weights: see ``rounding``; those
        in bfloat16 are still computed with in float32. Exits with a message when an argument is wrong or the checkpoint
        cannot be loaded.
        """
        super().__init__()
        self.accelerator = Accelerator()
        # Of torchrun: accelerate counts only processes with a GPU each.
        self._rank, self._world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.pretrained = str(pretrained)
        try:
            check_checkpoint(self.pretrained)
            self.device = _device(device, self.accelerator.device if self._world_size > 1 else None)
            self.load_in = load_in
            self.dtype = _dtype(str(dtype), self.device, load_in)
            BatchSize(batch_size, max_batch_size)  # says what is wrong before the model is loaded
            self.processor = families.load_processor(self.pretrained, trust_remote_code)
            options: dict[str, Any] = {
                "attn_implementation": attn_implementation,
                "trust_remote_code": trust_remote_code,
            }
            if load_in is None:
                self.model = families.load_model(self.pretrained, self.dtype, **options).to(self.device)
            else:
                self.model = load_rounded(self.pretrained, load_in, self.dtype, self.device, **options)
            self._get_ready(batch_size, max_batch_size)
            self.packed = wants_packing(packed, self.model) and pack(self.model) > 0
            self._share_prefix = share_prefix
            self.journal = self._open_journal(Path(str(journal)) if journal else None, trust_remote_code)
        except BenchmarkError as error:  # the harness passes over anything less than an exit
            raise SystemExit(f"error: {error}") from error
        self.model.eval()
        self.announce()

    @classmethod
    def around(cls, model: Any, processor: Any, name: str, *, batch_size: int | str = AUTO) -> "PebenchHf":
        """The same around a model that is in memory, as it is: for one that is changed between two scorings.

        ``model`` is in evaluation mode, and its weights do not change while this is in use, for features of images are
        kept. No journal, no packing; ``name`` stands in messages.
        """
        made = cls.__new__(cls)
        lmms.__init__(made)
        made._rank, made._world_size = 0, 1
        made.pretrained, made.load_in, made.packed, made._share_prefix = name, None, False, True
        made.model, made.processor, made.device, made.dtype = model, processor, model.device, model.dtype
        made._get_ready(batch_size)
        made.journal = Journal(None, {}, 0)
        return made

    def _get_ready(self, batch_size: int | str, most: int | None = None) -> None:
        """What answering needs beside a model and its processor."""
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.own_settings = own_settings(self.model, self.processor.tokenizer.pad_token_id)
        self.size = BatchSize(1) if self.own_settings.alone else BatchSize(batch_size, most)
        self.scored = BatchSize(batch_size if families.batches_answers(self.processor) else 1, most)
        self.processed = ProcessedImages(self.processor)
        self.features = ImageFeatures(self.model)
        self._slow: set[str] = set()  # why it answers slowly, as far as that was said
        self._answers = False  # whether a batch was answered
        self._drafts = Drafts()
        self._reader = copy.deepcopy(self.processor.tokenizer)  # one cannot write and read at the same time
        self._processing = threading.Lock()

    def announce(self) -> None:
        """Called once the checkpoint is loaded, for a subclass to tell others of it."""

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> "PebenchHf":
        """The harness's constructor; what stands in ``--model_args`` wins over ``--batch_size`` and ``--device``.

        Exits with a message for arguments that are none of ours, and without a checkpoint.
        """
        given = {name: value for name, value in (additional_config or {}).items() if value is not None}
        try:
            arguments = _arguments(arg_string, [*inspect.signature(cls).parameters])
        except BenchmarkError as error:  # the harness prints a traceback of anything less than an exit, and exits 0
            raise SystemExit(f"error: {error}") from error
        return cls(**{**given, **arguments})

    @cached_property
    def abilities(self) -> frozenset[str]:
        """What it can be asked beside one question about one image; see ``conversations``."""
        with self._processing:
            found = abilities(self.processor)
        return found - {BEGUN} if self.model.config.is_encoder_decoder else found

    @property
    def batch_size(self) -> int:
        """The number of prompts in the next batch."""
        return self.size.rows

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """Answer every request, in the order of ``requests``."""
        keys: list[bytes] = [b""] * len(requests)
        answers: dict[bytes, Answer] = {}
        self._drafts = Drafts()
        self.journal.begin()
        batches = ahead(self._batches(requests, keys, answers))
        progress = tqdm(total=len(requests), disable=self.rank != 0, desc="pebench_hf", unit="document")
        try:
            with progress, fitting_threads(self.parameters, self.device):
                for prompt, found in self._answered(batches):
                    answers[prompt.key] = found
                    self.journal.add(prompt.key, *found)
                    progress.update()
                progress.update(len(requests) - progress.n)  # those whose twin was answered, now or earlier
        except BenchmarkError as error:  # the harness passes over anything less than an exit
            raise SystemExit(f"error: {error}") from error
        finally:
            batches.close()
            self.journal.close()
        return [
            GenerationResult(text=answers[key].text, token_counts=TokenCounts(output_tokens=answers[key].tokens))
            for key in keys
        ]

    def _open_journal(self, folder: Path | None, trust_remote_code: bool) -> Journal:
        if folder is None:
            return Journal(None, {}, self.rank)
        facts = identify(
            self.pretrained,
            dtype=str(self.dtype),
            attention=str(self.model.config._attn_implementation),
            device=self.device.type,
            trust_remote_code=str(trust_remote_code),
            packed=str(self.packed),
            share_prefix=str(self._share_prefix),
            load_in=str(self.load_in),
        )
        return Journal(folder, facts, self.rank)

    def _batches(
        self, requests: Sequence[Instance], keys: list[bytes], answers: dict[bytes, Answer]
    ) -> Iterator[Batch]:
        """Batches of distinct prompts that were not answered; fills ``keys``, and ``answers`` from the journal.

        Images are read as they are needed, so that memory does not grow with the number of documents. Runs in the
        background: see ``prefetch``.
        """
        waiting: dict[Any, list[Prompt]] = {}
        seen: set[bytes] = set()
        turns: Counter[tuple[Any, ...]] = Counter()  # of every document
        for i in in_order(requests, self.task_dict):
            document = requests[i].args[3:]
            prompt = read_prompt(requests[i], self.task_dict, turns[document])
            turns[document] += 1
            keys[i] = prompt.key
            if prompt.key in seen:
                continue
            seen.add(prompt.key)
            if (known := self.journal.known(prompt.key)) is not None:
                answers[prompt.key] = Answer(*known)
                continue
            together = waiting.setdefault(same_batch(prompt), [])
            together.append(prompt)
            if len(together) >= self.size.rows:
                yield self._prepared(waiting.pop(same_batch(prompt)))
        for together in waiting.values():
            yield self._prepared(together)

    def _prepared(self, prompts: list[Prompt]) -> Batch:
        with self._processing:  # tokenizers do not bear two threads
            return Batch(prompts, self.processed.inputs(prompts))

    def _answered(self, batches: Iterator[Batch]) -> Iterator[tuple[Prompt, Answer]]:
        """All prompts with their answers; the last few of every batch are answered together."""
        left: dict[Any, list[Prompt]] = {}
        for batch in batches:
            for prompt, found in zip(batch.prompts, self._answer(batch, leave_few=True), strict=True):
                if found is not None:
                    yield prompt, found
                    continue
                together = left.setdefault(same_batch(prompt), [])
                together.append(prompt)
                if len(together) >= self.size.rows:
                    yield from self._answered_whole(left.pop(same_batch(prompt)))
        for together in left.values():
            yield from self._answered_whole(together)

    def _answered_whole(self, prompts: list[Prompt]) -> Iterator[tuple[Prompt, Answer]]:
        for prompt, found in zip(prompts, self._answer(self._prepared(prompts)), strict=True):
            assert found is not None
            yield prompt, found

    def _answer(self, batch: Batch, *, leave_few: bool = False) -> list[Answer | None]:
        """The answers to a batch, in parts where it is too large for the memory; ``leave_few``: see ``generation``."""
        rows = len(batch.prompts)
        found = self._in_memory(self.size, rows, lambda: self._generate(batch, leave_few))
        if found is not None:
            return found
        parts = [batch.prompts[i : i + self.size.rows] for i in range(0, rows, self.size.rows)]
        return [found for part in parts for found in self._answer(self._prepared(part), leave_few=leave_few)]

    def _in_memory(self, size: BatchSize, rows: int, run: Callable[[], list[R]]) -> list[R] | None:
        """What ``run`` makes of a batch of so many rows; None where it is too large for the memory, now or before.

        What is wrong with a checkpoint raises ``BenchmarkError``.
        """
        if rows > size.rows:  # it was made before another one ran out of memory
            return None
        before, free = reset_peak(self.device), free_bytes(self.device)
        try:
            found = run()
        except (ValueError, IndexError) as error:  # also a token that the embeddings do not have
            if self._answers or not raised_by_libraries(error):  # then it is no fault of the checkpoint's
                raise
            raise BenchmarkError(
                f"{self.pretrained} refuses what its processor makes of a question, or a generation setting "
                f"(of its generation_config.json, of --gen_kwargs): {' '.join(str(error).split())}"
            ) from error
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if rows == 1:
                raise BenchmarkError(
                    f"{self.pretrained} cannot answer even one prompt in the memory of {self.device} "
                    f"({(str(error) or type(error).__name__).splitlines()[0]}). Choose another --device, a smaller "
                    "--dtype or a smaller model."
                ) from error
        else:
            self._answers = True
            size.answered(rows, peak_bytes(self.device) - before, free, self.device)
            return found
        self.features.clear()
        release_memory(self.device)
        size.halve(rows)
        return None

    @torch.inference_mode()
    def _generate(self, batch: Batch, leave_few: bool) -> list[Answer | None]:
        # A copy, because ``to`` moves in place: a batch that failed must not stay on the GPU while its parts run.
        inputs: Mapping[str, Any] = copy.copy(batch.inputs).to(self.device, dtype=self.dtype)
        images = [image for prompt in batch.prompts for image in prompt.images]
        inputs = self.features.instead_of_images(inputs, images)
        settings = batch.prompts[0].settings
        pictures = [prompt.images for prompt in batch.prompts] if self._share_prefix else ()
        return answer(
            self.model, self._reader, inputs, settings, self._drafts, images=pictures,
            seeds=[prompt.key for prompt in batch.prompts], leave_few=leave_few, slow=self._say_slow,
        )  # fmt: skip

    def _say_slow(self, why: str) -> None:
        if why not in self._slow and self.rank == 0:
            print(f"pebench: {self.pretrained} answers as well, but slower than others: {why}.", file=sys.stderr)
        self._slow.add(why)

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        """How likely each request's answer is, and whether greedy decoding writes it; see ``likelihood``."""
        keys: list[Any] = [None] * len(requests)
        scores: dict[Any, TokenScores] = {}
        batches = ahead(self._answered_batches(requests, keys))
        progress = tqdm(total=len(requests), disable=self.rank != 0, desc="pebench_hf", unit="answer")
        try:
            with progress, fitting_threads(self.parameters, self.device):
                for batch in batches:
                    scores |= zip((pair.key for pair in batch.pairs), self._score(batch), strict=True)
                    progress.update(len(batch.pairs))
                progress.update(len(requests) - progress.n)  # those whose twin was scored
        except BenchmarkError as error:  # the harness passes over anything less than an exit
            raise SystemExit(f"error: {error}") from error
        finally:
            batches.close()
        return [harness_result(request, scores[key]) for request, key in zip(requests, keys, strict=True)]

    def _answered_batches(self, requests: Sequence[Instance], keys: list[Any]) -> Iterator[AnsweredBatch]:
        """Batches of distinct questions with answers; fills ``keys``. Runs in the background: see ``prefetch``."""
        if self.model.config.is_encoder_decoder:
            raise BenchmarkError(f"{self.pretrained} is an encoder-decoder; how likely its answers are is not known.")
        refuse_without_question(requests)
        waiting: dict[int, list[Pair]] = {}
        seen = set()
        for i in in_order(requests, self.task_dict):
            pair = read_pair(requests[i], self.task_dict)
            keys[i] = pair.key
            if pair.key in seen:
                continue
            seen.add(pair.key)
            together = waiting.setdefault(len(pair.conversation.images), [])
            together.append(pair)
            if len(together) >= self.scored.rows:
                yield self._answered_batch(waiting.pop(len(pair.conversation.images)))
        for together in waiting.values():
            yield self._answered_batch(together)

    def _answered_batch(self, pairs: list[Pair]) -> AnsweredBatch:
        with self._processing:  # tokenizers do not bear two threads
            return prepare(self.processor, pairs)

    def _score(self, batch: AnsweredBatch) -> list[TokenScores]:
        """The scores of a batch, in parts where it is too large for the memory."""
        rows = len(batch.pairs)
        if (found := self._in_memory(self.scored, rows, lambda: self._teacher_forced(batch))) is not None:
            return found
        parts = [batch.pairs[i : i + self.scored.rows] for i in range(0, rows, self.scored.rows)]
        return [found for part in parts for found in self._score(self._answered_batch(part))]

    @torch.inference_mode()
    def _teacher_forced(self, batch: AnsweredBatch) -> list[TokenScores]:
        inputs: Mapping[str, Any] = copy.copy(batch.inputs).to(self.device, dtype=self.dtype)
        images = [image for pair in batch.pairs for image in pair.conversation.images]
        inputs = self.features.instead_of_images(inputs, images)
        return token_scores(self.model, inputs, batch.answers.to(self.device))

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[str]:
        """Not offered: every document is one question."""
        raise NotImplementedError("pebench_hf answers single questions")


def _arguments(words: str, known: Sequence[str]) -> dict[str, Any]:
    """What stands in ``--model_args``; ``BenchmarkError`` for anything but ``name=value,...`` with known names."""
    try:
        given: dict[str, Any] = simple_parse_args_string(words)
    except ValueError as error:
        raise BenchmarkError(f"--model_args must be name=value,name=value ..., not {words!r}.") from error
    if unknown := [name for name in given if name not in known]:
        raise BenchmarkError(f"pebench_hf has no argument {unknown[0]!r}. Known: {', '.join(known)}.")
    if not given.get("pretrained"):
        raise BenchmarkError("pebench_hf needs a checkpoint:  --model_args pretrained=DIR  or a model of the hub.")
    return given


def _device(wanted: str | None, of_process: torch.device | None) -> torch.device:
    """The device to answer on; ``of_process`` is the one that torchrun gave this process."""
    try:
        device = torch.device(wanted or of_process or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise BenchmarkError(f"There is no device {wanted!r}. Choose cpu, cuda or cuda:N.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise BenchmarkError(f"There is no GPU here for the device {wanted}. Choose cpu.")
    if of_process is None or device.type == "cpu":
        return device
    if device not in (of_process, torch.device(of_process.type)):
        raise BenchmarkError(
            f"Under torchrun every process has a device of its own, this one {of_process}, not {device}. Leave the "
            "device out, or choose cpu."
        )
    return of_process


def _dtype(wanted: str, device: torch.device, load_in: str | None) -> torch.dtype:
    if wanted == "auto":
        return torch.float32 if device.type == "cpu" or load_in == "bfloat16" else torch.bfloat16
    dtype = getattr(torch, wanted, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise BenchmarkError(f"There is no dtype {wanted!r}. Choose auto, float32, bfloat16 or float16.")
    return dtype
