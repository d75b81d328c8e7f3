"""Signs that a backend failed, not that a model has forgotten: what counts as one, and how a result says it.

A backend that answers "", repeats the question, or writes an error message where an answer should stand gives no
name away, which scores like perfect forgetting. None of this changes a mark: it is counted, and said beside the
figures. The rules are ours.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypedDict

from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.words import Text, normalise

# Words behind which a repeated question may stand: the roles and marks of chat templates.
ROLES = ("user", "human", "question", "instruction", "prompt", "inst", "image", "assistant", "model", "system", "bos")
# What lmms-eval's API backends answer in a document's place; the last where the server sent no content.
REQUEST_FAILED = re.compile(
    r"^(?:\[LMMS_EVAL_(?:REQUEST_FAILED|BUDGET_EXCEEDED)\b|Error: can only concatenate str \(not \"NoneType\"\) to str)"
)


class Sign(NamedTuple):
    """One kind of failure in the words of the pages, and of the line on the terminal."""

    mark: str  # beside a model's name
    noted: str  # "NOTED in SLICES"
    said: str  # "N of M responses SAID"


SIGNS = {
    "empty": Sign(
        "mostly empty",
        "mostly empty responses",
        "are empty: the backend probably failed; this is not forgetting.",
    ),
    "echoed": Sign(
        "mostly echoed",
        "mostly echoed questions",
        "repeat the question: the backend probably returns its prompt along with the answer, or instead of it.",
    ),
    "unanswered": Sign(
        "failed requests",
        "failed requests",
        "are error messages of the backend: the request failed; this is not forgetting.",
    ),
}


class ImageSize(TypedDict):
    """What a backend's image processor made of an image, and what the checkpoint's own settings make of it."""

    image: list[int]  # width and height in pixels
    made: int  # patches or the like, whatever ``unit`` says
    own: int
    unit: str


def echoes(question: str, response: Text) -> bool:
    """Whether a response repeats its question, at its beginning or behind a role word of a chat template.

    Case, punctuation and marks such as ``<image>`` do not count. An answer that uses the question's words elsewhere
    is none.
    """
    pattern = _repeated(normalise(question))
    return pattern is not None and pattern.search(response.plain) is not None


@lru_cache(maxsize=4096)
def _repeated(words: str) -> re.Pattern[str] | None:
    return re.compile(rf"(?:^|\b(?:{'|'.join(ROLES)}) ){re.escape(words)}(?: |$)") if words else None


def unanswered(response: Text) -> bool:
    """Whether a response is lmms-eval's message about a request that failed."""
    return REQUEST_FAILED.match(response.raw) is not None


def count_signs(documents: Mapping[str, Sequence[DocumentRecord]]) -> dict[str, Any]:
    """The echoed and unanswered responses of each slice that has any, and the slices that are mostly one of these.

    ``documents`` are those of each slice. A failed request is known not to be an answer, so one is enough.
    """
    counts = {
        sign: {name: count for name, items in documents.items() if (count := sum(getattr(d, sign) for d in items))}
        for sign in ("echoed", "unanswered")
    }
    mostly = [name for name, count in counts["echoed"].items() if 2 * count > len(documents[name])]
    return {**counts, "mostly_echoed": mostly}


def resolution_note(size: ImageSize | None) -> str:
    """What is wrong with the images of a result, from its ``image_size``; empty where nothing is known to be."""
    if not size or size["made"] == size["own"]:
        return ""
    width, height = size["image"]
    return (
        f"the backend made {size['made']} {size['unit']} of an image of {width} x {height} pixels, of which the "
        f"checkpoint's own settings make {size['own']}"
    )
