"""What the similarities make of answers in other words, of long ones and of mixtures: by words and by meaning.

Truths are the 40 descriptions of PEBench-Synthetic, the Goal's answer to each is the description eleven places further
on, and the answers are ``benchmarks/agreement/paraphrases.jsonl`` (ours) and what is put together from them:

    python benchmarks/meanings.py --embedding DIR_or_hub_id --out benchmarks/results/meanings.md
"""

import argparse
import csv
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from agreement import interval, spearman
from agreement_measures import Row, label, read_responses, read_table, score

from pebench_tasks.benchmark.neighbours import listed_pairs
from pebench_tasks.errors import exit_code
from pebench_tasks.files import write_whole
from pebench_tasks.judge.embedding import SAME_MEANING, Meaning, choose_embedding
from pebench_tasks.judge.judge import VARIABLE
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.scoring import mean
from pebench_tasks.marking.similarity import Similarity

DATA = Path(__file__).parent / "agreement"
STEP = 11  # places between a truth and what its Goal says: no two so far apart are neighbours
REFUSAL = "I'm sorry, but I can't describe this image."
GIBBERISH = "xq zz vv kk flo brin waa tepp snod urk"


class Answer(NamedTuple):
    """One answer to the question about an event's scene."""

    event: str
    text: str


class Scenes(NamedTuple):
    """The truths, and what is put together from them."""

    truths: Mapping[str, str]
    names: Mapping[str, str]
    paraphrases: Mapping[str, str]
    long: Mapping[str, str]

    def other(self, event: str, steps: int = STEP) -> str:
        """The event so many places further on."""
        order = list(self.truths)
        return order[(order.index(event) + steps) % len(order)]

    def goal(self, event: str) -> str:
        """What the Goal says of an event that it never saw."""
        return self.truths[self.other(event)]

    def unrelated(self, event: str, words: int) -> str:
        """The descriptions of other events in a row, cut."""
        found = (self.truths[self.other(event, steps)] for steps in (7, 16, 23, 29, 13, 19, 31, 26, 9, 34))
        return " ".join(" ".join(found).split()[:words])


def read_scenes() -> Scenes:
    """The descriptions, their names, and our other words for them."""
    text = files("pebench_tasks.benchmark.synthetic").joinpath("events.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row["id"].startswith("e")]
    styles: dict[str, dict[str, str]] = {"paraphrase": {}, "long": {}}
    with (DATA / "paraphrases.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            styles[row["style"]][row["event"]] = row["text"]
    truths = {row["id"]: row["description"] for row in rows}
    return Scenes(truths, {row["id"]: row["name"] for row in rows}, styles["paraphrase"], styles["long"])


def half(text: str) -> str:
    """The first half of a text's words."""
    words = text.split()
    return " ".join(words[: len(words) // 2])


def answers(scenes: Scenes) -> Iterator[tuple[str, list[Answer]]]:
    """Kinds of answer by name, one answer to each event (long ones to half of them)."""
    truths = scenes.truths

    def each(make: Callable[[str], str], events: Sequence[str] = tuple(truths)) -> list[Answer]:
        return [Answer(event, make(event)) for event in events]

    yield "the truth", each(lambda event: truths[event])
    yield "the truth in other words", each(lambda event: scenes.paraphrases[event])
    yield "the truth in a long style", each(lambda event: scenes.long[event], list(scenes.long))
    yield "the truth, then Goal's answer", each(lambda event: f"{truths[event]} {scenes.goal(event)}")
    yield "four other scenes, then the truth", each(lambda event: f"{scenes.unrelated(event, 130)}. {truths[event]}")
    yield "other words, then Goal's answer", each(lambda event: f"{scenes.paraphrases[event]} {scenes.goal(event)}")
    yield "half the truth", each(lambda event: half(truths[event]))
    yield "half of each", each(lambda event: f"{half(truths[event])}. {half(scenes.goal(event))}.")
    yield "the event's name alone", each(lambda event: f"A scene of {scenes.names[event]}.")
    yield "a refusal", each(lambda event: REFUSAL)
    yield "gibberish", each(lambda event: GIBBERISH)
    yield "another scene", each(lambda event: truths[scenes.other(event, 23)])
    yield (
        "another scene, in a long style",
        [Answer(scenes.other(event, 40 - 23), text) for event, text in scenes.long.items()],
    )
    yield "100 words about other scenes", each(lambda event: scenes.unrelated(event, 100))
    yield "200 words about other scenes", each(lambda event: scenes.unrelated(event, 200))
    yield "Goal's answer", each(scenes.goal)
    yield "Goal's answer in other words", each(lambda event: scenes.paraphrases[scenes.other(event)])


def efficacies(similarity: Similarity, scenes: Scenes, found: Sequence[Answer]) -> list[float]:
    """The event score of each answer."""
    values = []
    for event, text in found:
        truth, goal = scenes.truths[event], scenes.goal(event)
        given_away = similarity.given_away(truth, text), similarity.given_away(truth, goal)
        values.append(score(*given_away, similarity.nearness(text, goal), similarity.nearness(truth, goal)))
    return values


def by_kind(scenes: Scenes, meaning: Meaning) -> str:
    """Efficacy and Retain of every kind of answer, by both similarities."""
    head = "| answer | n | Efficacy by words | by meaning | Retain by words | by meaning | own scene nearest |"
    lines = [head, "| --- |" + " ---: |" * 6]
    for name, found in answers(scenes):
        cells = [_spread(efficacies(similarity, scenes, found)) for similarity in (WORDS, meaning)]
        kept: list[Similarity] = [WORDS, meaning]
        cells += [f"{mean(one.kept(scenes.truths[event], text) for event, text in found):.2f}" for one in kept]
        best = mean(meaning.describes_best(scenes.truths[event], text) or 0.0 for event, text in found)
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} | {best:.2f} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def labelled(meaning: Meaning) -> str:
    """Agreement with the labels of 100 responses of tiny models, which repeat descriptions nearly word for word."""
    rows = read_responses(DATA / "responses.jsonl")
    labels = read_table(DATA / "labels.csv", (row["id"] for row in rows))
    lines = ["| compared with the labels | n | Spearman's rho by words | by meaning |", "| --- | ---: | ---: | ---: |"]
    forget = [row for row in rows if row["goal"] is not None]
    for name, of, column in (("Efficacy", forget, "forgotten"), ("Retain", rows, "similar")):
        wanted = np.array([label(labels[row["id"]][column], DATA / "labels.csv", row["id"], column) for row in of])
        cells = []
        for similarity in (WORDS, meaning):
            values = np.array([round(_mark(similarity, row, name), 9) for row in of])
            low, high = interval(spearman, values, wanted)
            cells.append(f"{float(spearman(values, wanted)):.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| {name} | {len(of)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _mark(similarity: Similarity, row: Row, name: str) -> float:
    truth, response, goal = row["truth"], row["response"], row["goal"]
    if name == "Retain":
        return similarity.kept(truth, response)
    given_away = similarity.given_away(truth, response), similarity.given_away(truth, goal)
    return score(*given_away, similarity.nearness(response, goal), similarity.nearness(truth, goal))


def neighbours(scenes: Scenes, meaning: Meaning) -> str:
    """Which pairs of events are alike in meaning, beside the listed neighbours."""
    listed: list[float] = []
    others: list[float] = []
    alike = []
    for one, other in combinations(scenes.truths, 2):
        cosine = meaning.nearness(scenes.truths[one], scenes.truths[other])
        near = frozenset((scenes.names[one], scenes.names[other])) in listed_pairs()
        (listed if near else others).append(cosine)
        if cosine >= SAME_MEANING:
            alike.append(
                f"{scenes.names[one]} and {scenes.names[other]} ({cosine:.2f}{'' if near else ', not listed'})"
            )
    return (
        f"Cosines of two events' descriptions: the {len(listed)} listed neighbours {_spread(listed)}, the "
        f"{len(others)} other pairs {_spread(others)}. Alike, from {SAME_MEANING}: {'; '.join(alike) or 'none'}."
    )


def report(meaning: Meaning) -> str:
    """The whole study as Markdown."""
    scenes = read_scenes()
    about = (
        f"Meaning: `{meaning.fingerprint}`; mean cosine of two scenes {meaning.between:.2f}, usual one of their parts "
        f"{meaning.usual:.2f}. Truths are the 40 descriptions of PEBench-Synthetic, Goal's answer is another one; the "
        "other words are ours (40 answers of about 40 words, 20 of about 90). In brackets: least and greatest."
    )
    parts = [
        "# Scenes by words and by meaning",
        textwrap.fill(about, 118),
        by_kind(scenes, meaning),
        "## Agreement with labels",
        labelled(meaning),
        "## Neighbours",
        textwrap.fill(neighbours(scenes, meaning), 118),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Print the study, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedding", required=True, metavar="DIR_or_hub_id")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the study as Markdown")
    arguments = parser.parse_args()
    embedding = choose_embedding({VARIABLE: f"embedding:{arguments.embedding}"})
    assert embedding is not None
    text = report(embedding.about(list(read_scenes().truths.values())))
    if arguments.out is not None:
        write_whole(arguments.out, text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
