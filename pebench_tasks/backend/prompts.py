"""From the harness's requests to the conversations that a model is asked, in the order that serves it best."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import datasets
from lmms_eval.api.instance import Instance
from lmms_eval.protocol import ChatMessages
from PIL import Image

WINDOW = 256  # documents: within so many, long questions are brought together; features of images last about as long
ALIKE = 64  # characters: texts that differ by less share a batch, which costs some 16 tokens of padding at most
Documents = Mapping[str, Mapping[str, Any]]  # task -> split -> documents


class Conversation(NamedTuple):
    """What a model is asked: messages in the form of transformers."""

    messages: list[dict[str, Any]]
    images: tuple[bytes, ...]  # a digest of each
    digest: bytes  # of texts and images

    @property
    def pictures(self) -> list[Image.Image]:
        """Its images, in their order."""
        return [part["image"] for message in self.messages for part in message["content"] if part["type"] == "image"]


class Prompt(NamedTuple):
    """One conversation to answer: messages in the form of transformers, generation settings of its task."""

    key: bytes  # of all that decides the answer
    messages: list[dict[str, Any]]
    images: tuple[bytes, ...]  # a digest of each
    settings: Mapping[str, Any]


def read_prompt(request: Instance, documents: Documents, turn: int) -> Prompt:
    """The prompt of a request, its images read; ``turn``: how often its document was asked before.

    The key of a prompt whose answer is drawn is of this document and turn alone, whatever is asked beside it.

    Raises ``ValueError`` for anything but images and text.
    """
    _context, doc_to_messages, settings, doc_id, task, split = request.args
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    if settings.get("do_sample"):  # the same question asked twice is to be answered twice
        digest.update(json.dumps([task, split, doc_id, turn]).encode())
    read = read_conversation(doc_to_messages(documents[task][split][doc_id]), task, digest)
    return Prompt(read.digest, read.messages, read.images, settings)


def read_conversation(messages: Any, task: str, begun: Any = None) -> Conversation:
    """The harness's messages, their images read; ``begun`` is a hash of what else belongs into the digest.

    Raises ``ValueError`` for anything but images and text.
    """
    digest = begun or hashlib.sha256()
    images: list[bytes] = []
    read = ChatMessages(messages=messages).to_hf_messages()
    for message in read:
        digest.update(message["role"].encode())
        for part in message["content"]:
            digest.update(part["type"].encode())
            if part["type"] == "image":
                images.append(_digest(part["image"]))
                digest.update(images[-1])
            elif part["type"] == "text":
                digest.update(part["text"].encode())
            else:
                raise ValueError(f"{task}: pebench_hf reads images and text, not {part['type']}")
    return Conversation(read, tuple(images), digest.digest())


def _digest(image: Image.Image) -> bytes:
    colours = bytes(image.getpalette(None) or ())  # of the pixels that are places in a palette
    return hashlib.sha256(f"{image.mode}{image.size}".encode() + colours + image.tobytes()).digest()


def same_batch(prompt: Prompt) -> tuple[str, int]:
    """What the prompts of a batch have in common: generation settings, and the number of images."""
    return json.dumps(prompt.settings, sort_keys=True), len(prompt.images)


def in_order(requests: Sequence[Instance], documents: Documents) -> Iterator[int]:
    """The places of all requests: those about one image near each other, long texts first in every window.

    A document's image is told by its first column whose name starts with "image" and which holds a name or number
    (ours: ``image``); without one, documents stay in their order.
    """
    names = {
        (task, split): _image_names(documents[task][split])
        for task, split in {(request.args[4], request.args[5]) for request in requests}
    }
    place_of: dict[Any, int] = {}
    keys = []
    for i, request in enumerate(requests):
        _context, _messages, _settings, doc_id, task, split = request.args
        of_image = names[task, split]
        name = (task, split, doc_id) if of_image is None else of_image(doc_id)
        keys.append((place_of.setdefault(name, i), i))  # images in the order in which they come up first
    by_image = [i for _, i in sorted(keys)]
    for start in range(0, len(by_image), WINDOW):
        part = by_image[start : start + WINDOW]
        yield from sorted(part, key=lambda i: -(len(requests[i].args[0]) // ALIKE))


def _image_names(documents: Any) -> Callable[[int], Any] | None:
    """What to call the image of a document; None where no column says."""
    if not isinstance(documents, datasets.Dataset):
        return None
    for name, feature in documents.features.items():
        if name.startswith("image") and isinstance(feature, datasets.Value):
            return list(documents.select_columns(name)[name]).__getitem__
    return None
