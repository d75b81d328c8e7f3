"""From a question about an image to model inputs whose labels are the answer and its end token, and nothing else.

The text is the processor's own chat template. An answer's tokens are those after the longest common prefix of the
tokens of prompt and of prompt + answer; ``verify`` decodes them. Families whose processors need more than this
(their own labels, a second tokenizer) get their case in ``Encoder.process``, the one place that calls a processor.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, ProcessorMixin

from pebench_tasks.errors import BenchmarkError
from unlearn.data import Question
from unlearn.losses import IGNORED

CACHE_BYTES = 1 << 30
Inputs = dict[str, Tensor]


class Encoded(NamedTuple):
    """One question as tensors: what has a value per token, ``(tokens, ...)``, and what belongs to the image."""

    tokens: Inputs  # input_ids, attention_mask, labels, ...
    image: Inputs  # pixel_values, ...; concatenated along the first axis in a batch


class Encoder:
    """Turns questions into tensors; what was processed once is kept in memory, up to ``cache_bytes``.

    An image is processed once, and a text once per image size: a processor's tokens depend on the image only through
    its size (how many image tokens it takes). ``verify`` checks that on a run's first samples.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        load_image: Callable[[str], Image.Image],
        *,
        context: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.processor = processor
        self.load_image = load_image
        self.context = context
        self._cache = _BoundedCache(cache_bytes)

    def __call__(self, question: Question) -> Encoded:
        """The question as tensors; raises ``BenchmarkError`` if it cannot be encoded without losing something."""
        picture = self._cache.get(("image", question.image))
        image = None if picture else self.load_image(question.image)
        text = ("text", picture.size if image is None else image.size, question.question, question.answer)
        tokens = self._cache.get(text)
        if picture and tokens:
            return Encoded(tokens, picture.inputs)
        image = image or self.load_image(question.image)
        if tokens is None:
            encoded = self.encode(question, image)
            tokens = self._cache.put(text, encoded.tokens)
        else:
            encoded = self.process(self.texts(question)[1], image)
        if picture is None:
            picture = self._cache.put(("image", question.image), _Picture(image.size, encoded.image))
        return Encoded(tokens, picture.inputs)

    def encode(self, question: Question, image: Image.Image) -> Encoded:
        """Encode without the cache."""
        prompt, full = self.texts(question)
        prompt_ids = self.process(prompt, image).tokens["input_ids"]
        encoded = self.process(full, image)
        ids = encoded.tokens["input_ids"]
        if self.context is not None and len(ids) > self.context:
            raise BenchmarkError(
                f"The sample {question.key} takes {len(ids)} tokens, but the model's context holds {self.context}. "
                "Use smaller images (or a processor setting for fewer image tokens), or a model with a longer context."
            )
        labels = ids.clone()
        labels[: _common_prefix(prompt_ids, ids)] = IGNORED
        return Encoded({**encoded.tokens, "labels": labels}, encoded.image)

    def texts(self, question: Question) -> tuple[str, str]:
        """The prompt, and prompt + answer + end token as the chat template writes them; nothing after the end token.

        Templates that write no end token after an assistant's turn (LLaVA-1.5's) get the tokenizer's.
        """
        user: dict[str, Any] = {
            "role": "user",
            "content": [{"type": "image"}, {"type": "text", "text": question.question}],
        }
        assistant: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": question.answer}]}
        prompt: str = self.processor.apply_chat_template([user], add_generation_prompt=True)
        turn: str = self.processor.apply_chat_template([user, assistant])
        start = turn.find(question.answer, len(prompt.rstrip()))
        if start < 0 or not turn.startswith(prompt.rstrip()) or turn[len(prompt.rstrip()) : start].strip():
            raise BenchmarkError(
                f"The chat template does not continue its own prompt with the answer of {question.key}: prompt "
                f"{prompt!r}, whole turn {turn!r}. This model family needs its own case in unlearn/labels.py."
            )
        stop = start + len(question.answer)
        return prompt, turn[:stop] + self._end_token(turn[stop:])

    def _end_token(self, tail: str) -> str:
        tokenizer = self.processor.tokenizer
        rest = tail.strip()
        if not rest:
            return str(tokenizer.eos_token)
        specials = [str(token) for token in tokenizer.added_tokens_decoder.values()]
        if begins := [token for token in specials if rest.startswith(token)]:
            return tail[: tail.index(rest)] + max(begins, key=len)
        raise BenchmarkError(
            f"The chat template ends an answer with {tail!r}, which is no special token of the tokenizer. "
            "This model family needs its own case in unlearn/labels.py."
        )

    def process(self, text: str, image: Image.Image) -> Encoded:
        """Run the processor on one text with one image, without padding or truncation."""
        bos = self.processor.tokenizer.bos_token
        special = {"add_special_tokens": False} if bos is not None and text.startswith(bos) else {}
        inputs = self.processor(text=[text], images=[[image]], return_tensors="pt", **special)
        length = inputs["input_ids"].shape[1]
        tokens = {k: v[0] for k, v in inputs.items() if v.shape[:2] == (1, length)}
        return Encoded(tokens, {k: v for k, v in inputs.items() if k not in tokens})

    def verify(self, questions: Iterable[Question]) -> None:
        """Check the encoding of some questions by decoding it; raises ``BenchmarkError`` that shows the difference."""
        for question in questions:
            cached = self(question)
            fresh = self.encode(question, self.load_image(question.image))
            if not (_equal(cached.tokens, fresh.tokens) and _equal(cached.image, fresh.image)):
                raise BenchmarkError(
                    f"The processor encodes {question.key} differently from another image of the same size. "
                    "This model family needs its own case in unlearn/labels.py."
                )
            answer, end = self.decode(cached.tokens["labels"])
            if answer != question.answer or not end:
                raise BenchmarkError(
                    f"The labels of {question.key} decode to {answer!r} and the end token {end!r}; the answer is "
                    f"{question.answer!r}. This model family needs its own case in unlearn/labels.py."
                )

    def decode(self, labels: Tensor) -> tuple[str, str]:
        """The answer and the end token that labels ``(tokens,)`` stand for; an end token that is not special is ''."""
        tokenizer = self.processor.tokenizer
        ids = labels[labels != IGNORED].tolist()
        end = tokenizer.decode(ids[-1:])
        answer = tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False)
        return answer.strip(), end if ids and ids[-1] in tokenizer.added_tokens_decoder else ""


def context_length(model: PreTrainedModel) -> int | None:
    """The number of tokens that the language model can read, where its configuration says so."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def check_model_reads(model: PreTrainedModel, encoder: Encoder, question: Question) -> None:
    """Run the model once on one question: its image tokens must match its image features.

    Raises ``BenchmarkError`` with the model's own words when it refuses its processor's output.
    """
    batch = collate([{"check": encoder(question)}], pad_id(encoder.processor))["check"]
    inputs = {k: v.to(model.device) for k, v in batch.items() if k != "labels"}
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(**as_dtype(inputs, model.dtype))
    except ValueError as error:
        raise BenchmarkError(
            f"The model refuses what its processor makes of {question.key} ({error}). Processor and model do not "
            "belong together, or the processor's image settings were changed."
        ) from error
    finally:
        model.train(training)


def as_dtype(inputs: Mapping[str, Tensor], dtype: torch.dtype) -> Inputs:
    """The same inputs with floating-point tensors (pixels) in the model's dtype."""
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}


def pad_id(processor: ProcessorMixin) -> int:
    """The token that fills short samples. Its value never matters: masks and labels go by length, not by token."""
    tokenizer = processor.tokenizer
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def collate(batch: list[dict[str, Encoded]], padding: int) -> dict[str, Inputs]:
    """One dictionary of model inputs per set, padded on the right; every key of the processor is kept.

    Keys that one sample has and another lacks, or image tensors that do not fit together, raise ``BenchmarkError``.
    """
    return {name: _collate([sample[name] for sample in batch], padding) for name in batch[0]}


def _collate(samples: list[Encoded], padding: int) -> Inputs:
    fill = {"input_ids": padding, "labels": IGNORED}
    inputs = {
        key: pad_sequence([s.tokens[key] for s in samples], batch_first=True, padding_value=fill.get(key, 0))
        for key in samples[0].tokens
    }
    for key in samples[0].image:
        parts = [sample.image[key] for sample in samples]
        if len({part.shape[1:] for part in parts}) > 1:
            shapes = sorted({tuple(part.shape) for part in parts})
            raise BenchmarkError(
                f"The processor makes {key} of shapes {shapes}, which do not fit in one batch. "
                "Use images of one size, or --per_device_train_batch_size 1."
            )
        inputs[key] = torch.cat(parts)
    return inputs


def split_by_length(inputs: Inputs, gain: float = 0.15) -> list[list[int]]:
    """Samples in one part or, where that saves the share ``gain`` of all tokens (padding included), in two.

    In two, the shorter samples come first. A batch stays whole if a tensor of it is not one row a sample (several
    families flatten their image patches), since its rows could not be told apart.
    """
    lengths = inputs["attention_mask"].sum(1).tolist()
    count = len(lengths)
    order = sorted(range(count), key=lengths.__getitem__)
    if any(len(value) != count for value in inputs.values()):
        return [list(range(count))]
    cost = {cut: cut * lengths[order[cut - 1]] + (count - cut) * lengths[order[-1]] for cut in range(1, count)}
    cut = min(cost, key=cost.__getitem__, default=0)
    if not cut or cost[cut] > (1 - gain) * count * lengths[order[-1]]:
        return [list(range(count))]
    return [order[:cut], order[cut:]]


def take(inputs: Inputs, samples: list[int]) -> Inputs:
    """The rows of some samples, their common padding on the right cut off."""
    rows = torch.tensor(samples, device=inputs["labels"].device)
    tokens, length = inputs["labels"].shape[1], int(inputs["attention_mask"][rows].sum(1).max())
    return {
        key: value[rows, :length] if value.dim() == 2 and value.shape[1] == tokens else value[rows]
        for key, value in inputs.items()
    }


def _common_prefix(one: Tensor, other: Tensor) -> int:
    length = min(len(one), len(other))
    return int((one[:length] == other[:length]).long().cumprod(0).sum())


def _equal(one: Inputs, other: Inputs) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class _Picture(NamedTuple):
    size: tuple[int, int]
    inputs: Inputs


class _BoundedCache:
    """A dictionary that forgets what was used longest ago once its tensors take more than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._entries: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()

    def get(self, key: tuple[Any, ...]) -> Any:
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key][0]

    def put(self, key: tuple[Any, ...], value: Any) -> Any:
        tensors = value.inputs if isinstance(value, _Picture) else value
        size = sum(tensor.nbytes for tensor in tensors.values())
        self._entries[key] = (value, size)
        self.bytes += size
        while self.bytes > self.limit and len(self._entries) > 1:
            self.bytes -= self._entries.popitem(last=False)[1][1]
        return value
