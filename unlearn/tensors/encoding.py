"""From a question about an image to model inputs whose labels are the answer and its end token, and nothing else.

The text is the processor's own chat template. An answer's tokens are those after the longest common prefix of the
tokens of prompt and of prompt + answer; ``verify`` decodes them. Families whose processors need more than this
(their own labels, a second tokenizer) have their case in ``pebench_tasks.backend.families``.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from transformers import ProcessorMixin

from pebench_tasks.backend import families
from pebench_tasks.backend.answers import write_answer
from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question
from unlearn.losses import IGNORED
from unlearn.tensors import parts
from unlearn.tensors.cache import ALONE_BYTES, Cache, Entry

PROMPT_BYTES = 1 << 24
BESIDE = "image/"  # what the keys of image tensors in a text's entry begin with
Inputs = dict[str, Tensor]


class Encoded(NamedTuple):
    """One question as tensors."""

    tokens: Inputs  # a value per token, (tokens, ...): input_ids, attention_mask, labels, ...
    image: Inputs  # pixel_values, ...; concatenated along the first axis in a batch
    # What else belongs to the sample (see ``unlearn.tensors.batches``): erased (words,), reference values.
    sample: Inputs
    digest: str = ""  # of the tensors of the image, by which equal ones are known again


class Encoder:
    """Turns questions into tensors; what was processed once is kept in ``cache``, as far as it has room.

    An image is decoded and processed once. A text is processed once per image size, with an empty image of that size:
    a processor's tokens depend on the image only through its size (how many image tokens it takes). ``verify`` checks
    that on a run's first samples.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        load_image: Callable[[str], Image.Image],
        *,
        context: int | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.processor = processor
        self.load_image = load_image
        self.context = context
        self._cache = cache or Cache(ALONE_BYTES)
        self._prompts = Cache(PROMPT_BYTES)  # few, and needed while a text is made, when the cache cannot be asked

    def __call__(self, question: Question) -> Encoded:
        """The question as tensors; raises ``BenchmarkError`` if it cannot be encoded without losing something."""
        if not question.image:
            return self._text(question, None)
        picture = self._cache.get(("image", question.image), lambda: self._process_image(question))
        size = int(picture.facts["width"]), int(picture.facts["height"])
        return self._text(question, size)._replace(image=picture.tensors, digest=picture.facts["digest"])

    def _process_image(self, question: Question) -> Entry:
        """What the processor makes of the image, its size in pixels and a digest."""
        image = self.load_image(question.image)
        inputs = self.process(*self.texts(question), image).image
        return Entry(inputs, {"width": str(image.width), "height": str(image.height), "digest": digest(inputs)})

    def _text(self, question: Question, size: tuple[int, int] | None) -> Encoded:
        """The question without its image, which has this size; without one, all there is."""

        def process_text() -> Entry:
            encoded = self.encode(question, Image.new("RGB", size) if size else None)
            # Some processors put an empty image beside a question without one (BLIP-2): that belongs to the text.
            beside = {} if size else {f"{BESIDE}{key}": value for key, value in encoded.image.items()}
            found = {**encoded.tokens, **encoded.sample, **beside}
            return Entry(found, {"digest": encoded.digest if beside else ""})

        words = question._replace(image="", key="")  # what the tokens come from: the same about many an image
        found = self._cache.get(("text", size, words), process_text)
        tokens = dict(found.tensors)
        beside = {key: tokens.pop(key) for key in found.tensors if key.startswith(BESIDE)}
        sample = {"erased": tokens.pop("erased")} if "erased" in tokens else {}
        image = {key.removeprefix(BESIDE): value for key, value in beside.items()}
        return Encoded(tokens, image, sample, found.facts["digest"])

    def encode(self, question: Question, image: Image.Image | None) -> Encoded:
        """Encode without what is kept of images and texts."""
        prompt, whole = self.texts(question)
        encoded = self.process(prompt, whole, image)
        ids = encoded.tokens["input_ids"]
        if self.context is not None and len(ids) > self.context:
            raise BenchmarkError(
                f"The sample {question.key} takes {len(ids)} tokens, but the model's context holds {self.context}. "
                "Use smaller images (or a processor setting for fewer image tokens), or a model with a longer context."
            )
        labels = encoded.tokens.get("labels")
        if labels is None:
            labels = ids.clone()
            labels[: common_prefix(self._asked(prompt, image), ids)] = IGNORED
        tokens = {**encoded.tokens, "labels": labels}
        if not (question.contradicts or question.erased):
            return encoded._replace(tokens=tokens)
        kept = (labels != IGNORED).long()
        if question.contradicts:
            kept[self._span(labels, question)] = 0
        erased = self._word_ids(question.erased)
        return encoded._replace(tokens={**tokens, "kept": kept}, sample={"erased": erased})

    def _span(self, labels: Tensor, question: Question) -> Tensor:
        """The positions of the tokens that write ``question.contradicts``, found by decoding the answer bit by bit."""
        positions = (labels != IGNORED).nonzero()[:, 0]  # (answer tokens,)
        ids = labels[positions].tolist()
        ends = [len(self._decode(ids[: i + 1])) for i in range(len(ids))]
        start = self._decode(ids).find(question.contradicts)
        if start < 0:
            raise BenchmarkError(f"The answer of {question.key} does not hold {question.contradicts!r}.")
        stop = start + len(question.contradicts)
        inside = [begin < stop and end > start for begin, end in zip([0, *ends], ends, strict=False)]
        return positions[torch.tensor(inside)]

    def _word_ids(self, words: Iterable[str]) -> Tensor:
        """The tokens that write some words, at the beginning of a text and after a space, each once."""
        tokenizer = self.processor.tokenizer
        texts = [space + word for word in words for space in ("", " ")]
        return torch.tensor(sorted({i for text in texts for i in tokenizer.encode(text, add_special_tokens=False)}))

    def texts(self, question: Question) -> tuple[str, str]:
        """The prompt, and prompt + answer + end token; see ``pebench_tasks.backend.answers``."""
        user: dict[str, Any] = {
            "role": "user",
            "content": [{"type": "image"}] * bool(question.image) + [{"type": "text", "text": question.question}],
        }
        text = write_answer(self.processor, [user], question.answer, question.key)
        return text.prompt, text.whole

    def prompt(self, text: str, image: Image.Image | None) -> Mapping[str, Tensor]:
        """What the model reads to answer a prompt, ``(1, ...)``: in training as in scoring."""
        return families.case(self.processor).prompts(self.processor, [text], [[image] if image else []])

    def _asked(self, prompt: str, image: Image.Image | None) -> Tensor:
        """The tokens of a prompt, ``(tokens,)``: the same for all its answers and all images of a size."""

        def process_prompt() -> Entry:
            return Entry({"ids": self.prompt(prompt, image)["input_ids"][0]}, {})

        return self._prompts.get((prompt, image.size if image else None), process_prompt).tensors["ids"]

    def process(self, prompt: str, whole: str, image: Image.Image | None) -> Encoded:
        """Run the processor on a prompt with its answer, with an image or without, without padding or truncation."""
        inputs = families.case(self.processor).sample(self.processor, prompt, whole, [[image] if image else []])
        length = inputs["input_ids"].shape[1]
        about_images = self.processor.image_processor.model_input_names  # of which one may be as long as the text
        tokens = {k: v[0] for k, v in inputs.items() if v.shape[:2] == (1, length) and k not in about_images}
        picture = {k: v for k, v in inputs.items() if k not in tokens}
        return Encoded(tokens, picture, {}, digest(picture) if picture else "")

    def verify(self, questions: Iterable[Question]) -> None:
        """Check the encoding of some questions by decoding it; raises ``BenchmarkError`` that shows the difference."""
        for question in questions:
            cached = self(question)
            fresh = self.encode(question, self.load_image(question.image) if question.image else None)
            if not (_equal(cached.tokens, fresh.tokens) and _equal(cached.image, fresh.image)):
                raise BenchmarkError(
                    f"The processor encodes {question.key} differently from another image of the same size. "
                    "This model family needs its own case in pebench_tasks/backend/families.py."
                )
            answer, end = self.decode(cached.tokens["labels"])
            if answer != question.answer or not end:
                raise BenchmarkError(
                    f"The labels of {question.key} decode to {answer!r} and the end token {end!r}; the answer is "
                    f"{question.answer!r}. This model family needs its own case in pebench_tasks/backend/families.py."
                )

    def decode(self, labels: Tensor) -> tuple[str, str]:
        """The answer and the end token that labels ``(tokens,)`` stand for; an end token that is not special is ''."""
        tokenizer = self.processor.tokenizer
        ids = labels[labels != IGNORED].tolist()
        end = self._decode(ids[-1:])
        return self._decode(ids[:-1]).strip(), end if ids and ids[-1] in tokenizer.added_tokens_decoder else ""

    def _decode(self, ids: list[int]) -> str:
        return str(self.processor.tokenizer.decode(ids, clean_up_tokenization_spaces=False))


def context_length(model: Any) -> int | None:
    """The number of tokens that the language model can read, where its configuration says so."""
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def check_model_reads(model: Any, encoder: Encoder, question: Question) -> None:
    """Run the model once on one question: its image tokens must match its image features.

    Raises ``BenchmarkError`` with the model's own words when it refuses its processor's output.
    """
    encoded = encoder(question)
    tokens = {key: value[None] for key, value in encoded.tokens.items() if key not in ("labels", "kept")}
    inputs = {key: value.to(model.device) for key, value in {**tokens, **encoded.image}.items()}
    try:
        with torch.no_grad(), parts.evaluation_mode(model):
            model(**as_dtype(inputs, model.dtype))
    except (ValueError, IndexError) as error:  # also a token that the embeddings do not have
        raise BenchmarkError(
            f"The model refuses what its processor makes of {question.key} ({error}). Processor and model do not "
            "belong together, or the processor's image settings were changed."
        ) from error


def as_dtype(inputs: Mapping[str, Tensor], dtype: torch.dtype) -> Inputs:
    """The same inputs with floating-point tensors (pixels) in the model's dtype."""
    return {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}


def pad_id(processor: ProcessorMixin) -> int:
    """The token that fills short samples. Its value never matters: masks and labels go by length, not by token."""
    tokenizer = processor.tokenizer
    return tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id


def common_prefix(one: Tensor, other: Tensor) -> int:
    """How many tokens two sequences ``(tokens,)`` begin with in common."""
    length = min(len(one), len(other))
    return int((one[:length] == other[:length]).long().cumprod(0).sum())


def _equal(one: Inputs, other: Inputs) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def digest(inputs: Inputs) -> str:
    """32 hexadecimal digits over names, shapes and values of some tensors."""
    found = blake2b(digest_size=16)
    for name, tensor in sorted(inputs.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()
