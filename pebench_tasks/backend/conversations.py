"""What a checkpoint can be asked beside one question about one image, by its chat template and its processor."""

from collections.abc import Mapping
from typing import Any

from pebench_tasks.backend.blame import raised_by_libraries
from pebench_tasks.errors import BenchmarkError

TURNS, IMAGES, BEGUN = "several turns", "several images in one conversation", "an answer that is begun"
FIRST, ANSWER, SECOND, BEGINNING = "Who is this?", "This is somebody.", "And who is that?", "That is"


def abilities(processor: Any) -> frozenset[str]:
    """Which of ``TURNS``, ``IMAGES`` and ``BEGUN`` the processor writes as they are meant, tried out on grey images.

    Of several images each must take as many tokens as one by itself: where it does not, its features are others too.
    """
    from pebench_tasks.backend.families import BLANK  # loads torch

    image = {"type": "image", "image": BLANK}
    first = _turn("user", image, _text(FIRST))
    talk = [_turn("user", _text(FIRST)), _turn("assistant", _text(ANSWER)), _turn("user", image, _text(SECOND))]
    two = [first, *talk[1:]]
    begun = [first, _turn("assistant", _text(BEGINNING))]
    found = set()
    if _in_order(_written(processor, talk), FIRST, ANSWER, SECOND):
        found.add(TURNS)
    one = _images(processor, [first])
    if TURNS in found and _images(processor, two) == 2 * one > 0:
        found.add(IMAGES)
    if _written(processor, begun).endswith(BEGINNING) and _images(processor, begun) == one:
        found.add(BEGUN)
    return frozenset(found)


def _turn(role: str, *parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


def _text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def _in_order(text: str, *parts: str) -> bool:
    places = [text.find(part) for part in parts]
    return -1 not in places and places == sorted(places)


def _images(processor: Any, messages: list[dict[str, Any]]) -> int:
    """How many tokens of a conversation stand for images; 0 where it cannot be written."""
    ids = _ids(processor, messages)
    token = getattr(processor, "image_token_id", None)
    if token is None:
        token = processor.tokenizer.convert_tokens_to_ids(str(getattr(processor, "image_token", "")))
    return ids.count(token)


def _written(processor: Any, messages: list[dict[str, Any]]) -> str:
    """What the model reads of a conversation, as text; empty where it cannot be written."""
    return str(processor.tokenizer.decode(_ids(processor, messages)))


def _ids(processor: Any, messages: list[dict[str, Any]]) -> list[int]:
    from pebench_tasks.backend import families

    try:
        ids: list[int] = families.generation_inputs(processor, [messages])["input_ids"][0].tolist()
    except Exception as error:
        if not isinstance(error, BenchmarkError) and not raised_by_libraries(error):
            raise
        return []
    return ids
