"""What a column can mean, what the user said it means, and the refusal where that is not clear."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pebench_tasks.errors import BenchmarkError

FACTS = ("age", "gender", "occupation", "birthplace", "city", "country", "region")
ROLES = ("image", "person", "event", "description", "keywords", *FACTS)
SAMPLE_LENGTH = 60


class Found(NamedTuple):
    """A column (None: there is none) that was read as a role, and why."""

    column: str | None
    why: str
    sample: str = ""


class Candidate(NamedTuple):
    column: str
    why: str


def parse_columns(text: str | None, header: Sequence[str]) -> dict[str, str | None]:
    """Read ``person=Name,image=file``: role to column; ``event=`` with nothing behind it: there is no such column.

    Raises ``BenchmarkError`` for an unknown role or column, and a role that is named twice.
    """
    chosen: dict[str, str | None] = {}
    if not text:
        return chosen
    for part in re.split(rf",\s*(?=(?:{'|'.join(ROLES)})\s*=)", text.strip()):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or role not in ROLES:
            raise BenchmarkError(f"--columns: {part!r} is not ROLE=COLUMN. The roles are {', '.join(ROLES)}.")
        if role in chosen:
            raise BenchmarkError(f"--columns names {role} twice. Name one column for it.")
        same = [column for column in header if column == name] or [c for c in header if c.lower() == name.lower()]
        if name and not same:
            raise BenchmarkError(f"--columns: there is no column {name!r}. The table has {', '.join(header)}.")
        chosen[role] = same[0] if name else None
    return chosen


def sample(values: Sequence[str]) -> str:
    """The first value that is not empty, shortened."""
    value = " ".join(next((value for value in values if value), "").split())
    return value if len(value) <= SAMPLE_LENGTH else value[: SAMPLE_LENGTH - 3] + "..."


def refuse(table: str, role: str, candidates: Sequence[Candidate], columns: Mapping[str, Sequence[str]]) -> None:
    """Raise ``BenchmarkError``: several columns fit ``role``; lists them and says what to add to the command."""
    listed = "; ".join(f'"{c.column}" (such as "{sample(columns[c.column])}": {c.why})' for c in candidates)
    ways = " or ".join(f'--columns "{role}={c.column}"' for c in candidates)
    raise BenchmarkError(f"{table}: {len(candidates)} columns fit the {role}: {listed}. Add {ways}.")


def missing(table: str, role: str, needs: str, columns: Mapping[str, Sequence[str]]) -> BenchmarkError:
    """The error for a role that no column fits; ``needs`` says what was looked for."""
    listed = "; ".join(f'"{name}" (such as "{sample(values)}")' for name, values in columns.items())
    return BenchmarkError(
        f'{table}: no column fits the {role}: {needs}. If one is it nevertheless, add --columns "{role}=COLUMN". '
        f"The columns: {listed}."
    )
