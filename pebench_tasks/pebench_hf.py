"""The harness model ``pebench_hf``: batched greedy answers from any ``AutoModelForImageTextToText`` checkpoint.

    lmms-eval --model pebench_hf --model_args pretrained=DIR_or_hub_id --tasks pebench_people --batch_size 32

``DIR`` may also hold a PEFT adapter (``adapter_config.json``); its base is loaded under it. Everything that decides
what the model sees comes from the checkpoint itself: image sizes, chat template, special tokens. Every request is
answered for its own document, requests with the same image and text are generated once, and no error is swallowed: a
backend that answers "" where it failed looks like a model that has forgotten everything.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from lmms_eval.api.instance import GenerationResult, Instance, TokenCounts
from lmms_eval.api.model import lmms
from lmms_eval.protocol import ChatMessages
from lmms_eval.utils import simple_parse_args_string
from PIL import Image
from tqdm import tqdm
from transformers import AutoModelForImageTextToText, AutoProcessor

from pebench_tasks.adapters import adapter_base
from pebench_tasks.model_record import register_model

AUTOMATIC_BATCH_SIZE = 32
MAX_NEW_TOKENS = 128  # where a task does not say; ours do


class Prompt(NamedTuple):
    """One conversation to answer: messages in the form of transformers, generation settings of its task."""

    key: bytes
    messages: list[dict[str, Any]]
    images: int
    settings: Mapping[str, Any]


class PebenchHf(lmms):
    """One implementation for every family; see the module's docstring for what it promises."""

    is_simple = False

    def __init__(
        self,
        pretrained: str,
        batch_size: int | str = 1,
        device: str | None = None,
        dtype: str = "auto",
        attn_implementation: str | None = None,
        trust_remote_code: bool = False,
        max_batch_size: int | None = None,
    ) -> None:
        """Load the checkpoint.

        ``device`` defaults to the GPU if there is one, ``dtype`` "auto" to bfloat16 there and float32 on a CPU (near
        ties make bfloat16 answers depend on the batch size). Under torchrun every process takes its share of the
        requests. Exits with a message when the checkpoint cannot be loaded.
        """
        super().__init__()
        self.accelerator = Accelerator()
        self._rank, self._world_size = self.accelerator.process_index, self.accelerator.num_processes
        if self._world_size > 1:
            self.device = self.accelerator.device
        else:
            self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if dtype == "auto":
            self.dtype = torch.float32 if self.device.type == "cpu" else torch.bfloat16
        else:
            self.dtype = getattr(torch, dtype)
        self.pretrained = str(pretrained)
        size = AUTOMATIC_BATCH_SIZE if str(batch_size).startswith("auto") else int(batch_size)
        self.batch_size = min(size, max_batch_size or size)
        self.processor = _load_processor(self.pretrained, trust_remote_code)
        self.chat_template = _chat_template(self.processor, self.pretrained)
        tokenizer = self.processor.tokenizer
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        self.model = _load_model(self.pretrained, self.dtype, attn_implementation, trust_remote_code).to(self.device)
        self.model.eval()
        register_model(self.pretrained, dtype=str(self.dtype).removeprefix("torch."), backend="pebench_hf")

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> "PebenchHf":
        """The harness's constructor; what stands in ``--model_args`` wins over ``--batch_size`` and ``--device``."""
        given = {name: value for name, value in (additional_config or {}).items() if value is not None}
        return cls(**{**given, **simple_parse_args_string(arg_string)})

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """Answer every request, in the order of ``requests``; long questions first, alike ones together."""
        keys: list[bytes] = [b""] * len(requests)
        answers: dict[bytes, GenerationResult] = {}
        with tqdm(total=len(requests), disable=self.rank != 0, desc="pebench_hf", unit="document") as progress:
            for batch in self._batches(requests, keys):
                prompts = list(batch.values())
                answers.update(zip(batch, self._answer(prompts), strict=True))
                progress.update(len(prompts))
            progress.update(len(requests) - progress.n)  # those whose twin was answered
        return [answers[key] for key in keys]

    def _batches(self, requests: Sequence[Instance], keys: list[bytes]) -> Iterator[dict[bytes, Prompt]]:
        """Batches of distinct prompts with equal settings and as many images each; fills ``keys``, one a request.

        Images are read as they are needed, so that memory does not grow with the number of documents.
        """
        order = sorted(range(len(requests)), key=lambda i: (-len(requests[i].args[0]), requests[i].args[0]))
        open_batches: dict[tuple[str, int], dict[bytes, Prompt]] = {}
        seen: set[bytes] = set()
        for i in order:
            prompt = self._prompt(requests[i], i)
            keys[i] = prompt.key
            if prompt.key in seen:
                continue
            seen.add(prompt.key)
            group = (json.dumps(prompt.settings, sort_keys=True), prompt.images)
            batch = open_batches.setdefault(group, {})
            batch[prompt.key] = prompt
            if len(batch) == self.batch_size:
                yield open_batches.pop(group)
        yield from open_batches.values()

    def _prompt(self, request: Instance, position: int) -> Prompt:
        _context, doc_to_messages, settings, doc_id, task, split = request.args
        messages = ChatMessages(messages=doc_to_messages(self.task_dict[task][split][doc_id])).to_hf_messages()
        images = 0
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        if settings.get("do_sample"):  # the same question asked twice is to be answered twice
            digest.update(str(position).encode())
        for message in messages:
            digest.update(message["role"].encode())
            for part in message["content"]:
                digest.update(part["type"].encode())
                if part["type"] == "image":
                    images += 1
                    image: Image.Image = part["image"]
                    digest.update(f"{image.mode}{image.size}".encode() + image.tobytes())
                elif part["type"] == "text":
                    digest.update(part["text"].encode())
                else:
                    raise ValueError(f"{task}: pebench_hf reads images and text, not {part['type']}")
        return Prompt(digest.digest(), messages, images, settings)

    @torch.inference_mode()
    def _answer(self, prompts: Sequence[Prompt]) -> list[GenerationResult]:
        inputs = self.processor.apply_chat_template(
            [prompt.messages for prompt in prompts],
            chat_template=self.chat_template,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True, "padding_side": "left"},
        ).to(self.device, dtype=self.dtype)
        settings = dict(prompts[0].settings)
        until = settings.pop("until", None) or []
        tokens = self.model.generate(**inputs, **self._generation_arguments(settings))  # (batch, tokens)
        asked = inputs["input_ids"]
        # Families that generate from embeddings return the new tokens alone.
        if tokens.shape[1] >= asked.shape[1] and torch.equal(tokens[:, : asked.shape[1]], asked):
            tokens = tokens[:, asked.shape[1] :]
        texts = self.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        counts = (tokens != self.processor.tokenizer.pad_token_id).sum(dim=1).tolist()
        return [
            GenerationResult(text=_cut(text, until), token_counts=TokenCounts(output_tokens=count))
            for text, count in zip(texts, counts, strict=True)
        ]

    def _generation_arguments(self, settings: dict[str, Any]) -> dict[str, Any]:
        """The task's settings as arguments of ``generate``; greedy unless they say ``do_sample``."""
        tokenizer = self.processor.tokenizer
        arguments = {"max_new_tokens": MAX_NEW_TOKENS, "num_beams": 1, **settings}
        if not arguments.get("do_sample"):
            arguments |= {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        arguments["pad_token_id"] = tokenizer.pad_token_id
        if self.model.generation_config.eos_token_id is None:
            arguments["eos_token_id"] = tokenizer.eos_token_id
        return arguments

    def loglikelihood(self, requests: Sequence[Instance]) -> list[tuple[float, bool]]:
        """Not offered: the tasks here are answered in words."""
        raise NotImplementedError("pebench_hf generates answers; it does not score given ones")

    def generate_until_multi_round(self, requests: Sequence[Instance]) -> list[str]:
        """Not offered: every document is one question."""
        raise NotImplementedError("pebench_hf answers single questions")


def _cut(text: str, until: str | Sequence[str]) -> str:
    for stop in [until] if isinstance(until, str) else until:
        text = text.split(stop, 1)[0] if stop else text
    return text


def _load_model(pretrained: str, dtype: torch.dtype, attn_implementation: str | None, trust_remote_code: bool) -> Any:
    base = adapter_base(pretrained)
    try:
        loaded: Any = AutoModelForImageTextToText.from_pretrained(
            base or pretrained,
            dtype=dtype,
            attn_implementation=attn_implementation,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
        model, loading = loaded
        if missing := sorted(loading["missing_keys"]):  # transformers would score random weights in their place
            raise SystemExit(
                f"error: {base or pretrained} lacks {len(missing)} of the model's weights ({missing[0]}, ...)."
            )
        if base is None:
            return model
        from peft import PeftModel

        return PeftModel.from_pretrained(model, pretrained)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: The model in {pretrained} cannot be loaded: {error}") from error


def _load_processor(pretrained: str, trust_remote_code: bool) -> Any:
    base = adapter_base(pretrained)
    own = any((Path(pretrained) / name).is_file() for name in ("processor_config.json", "preprocessor_config.json"))
    source = pretrained if base is None or own else base
    try:
        return AutoProcessor.from_pretrained(source, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        raise SystemExit(f"error: The processor in {source} cannot be loaded: {error}") from error


def _chat_template(processor: Any, pretrained: str) -> str | dict[str, str]:
    """The processor's chat template, else the tokenizer's: some processors lose theirs when they are saved."""
    template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template
    if not template:
        raise SystemExit(f"error: Neither the processor nor the tokenizer in {pretrained} has a chat template.")
    return template
