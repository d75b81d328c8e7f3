"""What a samples file of a robust task says of one document: which it is, and what the response shows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

ATTACKED = (  # what a document says of itself
    "key", "slice", "attack", "side", "concept", "cluster", "kind", "data", "split", "template", "forget", "target",
    "pair",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AttackRecord:
    """The ``provenance`` of one document of a robust task."""

    key: str  # "p017/e03/name/paraphrase/0"
    slice: str  # "paraphrase_forget"
    attack: str
    side: str  # forget or retain
    concept: str  # person or event
    cluster: str  # id of the person or event
    kind: str  # name, mention, scene, yesno, choice or fact
    data: str
    split: str
    template: str
    forget: str
    target: str
    pair: str  # key of the document that asks the same in its other form, or ""
    value: float | None  # known, 0-1; None where it was not asked, or not answered
    outcome: str  # see ``known.Known``; "not asked" of what the backend cannot do
    judge: str | None  # what compared a scene with its truth; None of any other kind
    withheld: str = ""  # why there is no score; "" where there is one

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "AttackRecord":
        """Parse what was logged; KeyError or TypeError where it is not in this form."""
        for name in (*ATTACKED, "outcome"):
            if not isinstance(said[name], str):
                raise TypeError(f"{name} is {said[name]!r}, not a text")
        if not isinstance(said["value"], int | float | None) or isinstance(said["value"], bool):
            raise TypeError(f"the value is {said['value']!r}, not a number")
        return cls(**{one.name: said[one.name] for one in fields(cls) if one.name in said})

    def as_json(self) -> dict[str, Any]:
        """The same as it is logged."""
        return asdict(self)
