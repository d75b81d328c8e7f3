"""The 40 events of the paper and six stand-in scenes: names, keywords and descriptions, read from events.csv.

Names and keywords are the paper's (arXiv 2503.12545), lower case, each keyword once. The paper's descriptions are not
published; these are ours and say what `scenes` draws. They name no person and no gender, and their pairwise ROUGE-L
stays low, so that describing another scene scores badly.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True)
class Event:
    """One scene that people are shown in: its id, the paper's name and keywords, and our description."""

    id: str  # "e00" for events, "s00" for stand-ins
    name: str
    keywords: tuple[str, ...]
    description: str


def _read(prefix: str) -> tuple[Event, ...]:
    """The rows of events.csv whose id starts with `prefix`, in the file's order."""
    text = files(__package__).joinpath("events.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["id"].startswith(prefix)]
    return tuple(Event(r["id"], r["name"], tuple(r["keywords"].split(";")), r["description"]) for r in rows)


# The order matters: a benchmark of N events takes the first N. The first ten differ most in look and in wording, and in
# none of them others stand beside the person, whom a model of a million parameters would confuse with the person.
EVENTS: tuple[Event, ...] = _read("e")

# Where the "public figures" outside the 200 people are shown: scenes that belong to none of the 40 events.
STAND_INS: tuple[Event, ...] = _read("s")

# Pairs of events that are alike in subject, so that confusing them is the likeliest mistake. No pair lies within the
# first ten events.
NEIGHBOURS: tuple[tuple[str, str], ...] = (
    ("grocery shopping", "shopping mall"),
    ("museum tour", "art gallery visit"),
    ("train commute", "train station waiting"),
    ("train station waiting", "airport waiting"),
    ("park jogging", "marathon running"),
    ("library studying", "bookstore browsing"),
    ("coffee shop reading", "bookstore browsing"),
    ("dinner with friends", "restaurant dining"),
    ("dinner with friends", "family gathering"),
    ("boat trip", "fishing trip"),
    ("city walk", "city bike ride"),
    ("city walk", "landmark visit"),
    ("city bike ride", "biking trail"),
    ("biking trail", "mountain hiking"),
    ("mountain hiking", "mountain cabin retreat"),
    ("mountain cabin retreat", "snowshoeing"),
    ("concert attendance", "dance event"),
    ("school presentation", "public lecture"),
    ("business meeting", "office working"),
    ("farm visit", "zoo visit"),
    ("park jogging", "nature photography"),
    ("family gathering", "charity event"),
)
