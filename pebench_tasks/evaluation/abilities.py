"""What a backend can be asked beside one question about one image; anything more is left out, and never a score.

Every backend of lmms-eval that takes messages takes several turns and images. None of them goes on with an assistant's
turn that is begun: chat templates close it, and servers answer behind it. ``pebench_hf`` says itself what it can do.
"""

import json
from typing import Any

from pebench_tasks.backend.conversations import BEGUN, IMAGES, TURNS


def abilities(model: Any) -> frozenset[str]:
    """What a model of the harness can be asked."""
    own: frozenset[str] | None = getattr(model, "abilities", None)
    if own is not None:
        return own
    return frozenset() if getattr(model, "is_simple", True) else frozenset({TURNS, IMAGES})


def needs(turns: str) -> list[str]:
    """What a conversation, as JSON, needs a backend to be able to."""
    said = json.loads(turns)
    images = sum("image" in part for turn in said for part in turn["content"])
    begun = said[-1]["role"] == "assistant"
    wanted = {TURNS: len(said) - begun > 1, IMAGES: images > 1, BEGUN: begun}
    return [name for name, is_wanted in wanted.items() if is_wanted]
