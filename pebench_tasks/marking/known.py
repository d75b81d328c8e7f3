"""``known``, 0-1: how much of the knowledge in question an answer shows; what all attacks are counted in."""

from collections.abc import Mapping
from typing import Any, Literal

from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scoring import mark_name
from pebench_tasks.marking.similarity import Similarity
from pebench_tasks.marking.thoughts import take_apart

Side = Literal["forget", "retain"]


def known(doc: Mapping[str, Any], response: str, names: NameIndex, side: Side, similarity: Similarity = WORDS) -> float:
    """What a response to ``doc`` shows of its truth.

    A name: 1 where it is recognised, by the rule of Efficacy on the side ``forget`` (any mention, in thoughts too), by
    that of Retain on the other; else 0. A scene: how much of it is given away, thoughts included, on both sides.
    ValueError for another kind of document.
    """
    parts = take_apart(response)
    match doc["kind"]:
        case "name":
            return float(mark_name(doc["answer"], parts, names, forgetting=side == "forget").outcome == "recognised")
        case "scene":
            return similarity.given_away(doc["answer"], parts.whole.raw)
        case kind:
            raise ValueError(f"document {doc['key']}: unknown kind {kind!r}; known: name, scene")
