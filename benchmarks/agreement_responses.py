"""Choose the responses of the agreement study from finished runs, and write the sheet they are labelled on.

``RUN`` is a folder that ``make demo`` or a seed of ``make table1`` leaves, named as it shall be cited: every scored
scene of its event and joint results is a candidate. The choice is seeded and stratified by kind of response.
"""

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pebench_tasks.marking.overlap import degenerate
from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scoring import FORGETTING, measured, unnamed_outcome
from pebench_tasks.marking.thoughts import take_apart
from pebench_tasks.marking.words import Text, normalise
from pebench_tasks.results.samples import read_samples

# How many of each kind: (about a scene to forget, about a scene to keep). Models mostly describe or babble; the whole
# range has to occur, so rare kinds are taken more often than they come.
WANTED = {
    "true description": (7, 5),
    "partly true": (13, 13),
    "mixture": (9, 7),
    "Goal's answer": (8, 0),
    "another scene": (8, 6),
    "gibberish": (9, 5),
    "loop": (3, 2),
    "refusal": (2, 2),
    "empty": (1, 0),
}
AT_MOST = 2  # of one model about one event


def triples(text: str) -> list[tuple[str, ...]]:
    """The three-word sequences of a text, normalised, in order."""
    words = normalise(text).split()
    return list(zip(words, words[1:], words[2:], strict=False))


def kind(truth: str, goal: str | None, response: str, scenes: Sequence[str]) -> str:
    """What a response is, by rule: where its three-word sequences come from; ``scenes`` are all descriptions.

    Nine tenths of them from one text make it that text, fewer than half from any scene make it gibberish; between
    the two, a quarter from the truth makes it partly true. Empty, refused and looping responses are told first.
    """
    outcome = unnamed_outcome(take_apart(response))
    if outcome != "other":
        return {"empty": "empty", "refused": "refusal"}[outcome]
    if degenerate(Text.of(response), scene=True):
        return "loop"
    said = triples(response)

    def share(*texts: str) -> float:
        known = {triple for text in texts for triple in triples(text)}
        return sum(triple in known for triple in said) / len(said)

    if share(truth) >= 0.9:
        return "true description"
    if goal is not None and share(goal) >= 0.9:
        return "Goal's answer"
    if any(share(scene) >= 0.9 for scene in scenes if scene != truth):
        return "another scene"
    if share(*scenes) < 0.5:
        return "gibberish"
    return "partly true" if share(truth) >= 0.25 else "mixture"


def candidates(name: str, run: Path) -> Iterator[dict[str, Any]]:
    """Every scored scene to forget or to keep of a run's event and joint results, in file order."""
    events = {event["id"]: event for event in pq.read_table(run / "data" / "events.parquet").to_pylist()}
    scenes = [event["description"] for event in events.values()]
    goals: dict[tuple[str | None, str, str], str] = {
        (file.parents[1].name, sample.key, sample.provenance.slice): sample.response
        for file in sorted(run.glob("goal_responses/*/*/*_samples_pebench_*.jsonl"))
        for sample in read_samples(file)
    }
    for file in sorted(run.glob("scores/*/*_samples_pebench_*.jsonl")):
        for sample in read(file):
            record, response = DocumentRecord.from_json(sample["provenance"]), sample["filtered_resps"]
            concerns = measured(record.slice)
            if record.target == "person" or record.kind != "scene" or concerns not in (*FORGETTING, "retain"):
                continue
            goal = goals[record.nearest_goal, record.key, record.slice] if concerns in FORGETTING else None
            event = events[record.key.split("/")[1]]
            yield {
                "run": name,
                "model": file.parent.name,
                "slice": record.slice,
                "key": record.key,
                "kind": kind(sample["target"], goal, response, scenes),
                "keywords": event["keywords"],
                "truth": sample["target"],
                "goal": goal,
                "response": response,
            }


def read(file: Path) -> Iterator[dict[str, Any]]:
    """The JSON lines of a file."""
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def choose(pool: Sequence[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    """The wanted number of each kind, no (truth, response) pair twice, the models of a kind taken in turn."""
    draw = random.Random(seed)
    chosen: list[dict[str, Any]] = []
    pairs: set[tuple[str, str]] = set()
    taken: Counter[tuple[str, str, str]] = Counter()
    for wanted in sorted(WANTED, key=lambda name: sum(row["kind"] == name for row in pool)):  # the rarest first
        for keep, count in enumerate(WANTED[wanted]):
            rows = [row for row in pool if row["kind"] == wanted and (row["goal"] is None) == bool(keep)]
            found = 0
            for row in in_turn(rows, draw):
                origin = (row["run"], row["model"], row["key"].split("/")[1])
                if found == count or (row["truth"], row["response"]) in pairs or taken[origin] == AT_MOST:
                    continue
                pairs.add((row["truth"], row["response"]))
                taken[origin] += 1
                chosen.append(row)
                found += 1
            if found < count:
                print(f"only {found} of {count}: {wanted}, {'keep' if keep else 'forget'}", file=sys.stderr)
    draw.shuffle(chosen)
    return [{"id": f"r{number:03}", **row} for number, row in enumerate(chosen, start=1)]


def in_turn(rows: Sequence[dict[str, Any]], draw: random.Random) -> Iterator[dict[str, Any]]:
    """All rows in random order, such that one model's second comes after every model's first."""
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in draw.sample(rows, len(rows)):
        groups[row["model"]].append(row)
    queues = draw.sample(sorted(groups.values(), key=lambda group: group[0]["model"]), len(groups))
    while queues:
        for queue in queues:
            yield queue.pop()
        queues = [queue for queue in queues if queue]


def sheet(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the annotator reads: identifier, truth, Goal's answer, response; neither model nor score nor kind."""
    blocks = [
        f"{row['id']}\nTRUTH:    {row['truth']}\nGOAL:     {row['goal'] or '- (keep: label only `similar`)'}\n"
        f"RESPONSE: {row['response'].strip() or '(nothing)'}\n"
        for row in rows
    ]
    return "\n".join(blocks)


def main() -> None:
    """Write the responses and the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", required=True, metavar="NAME=FOLDER", help="repeat for more runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the responses, .jsonl")
    parser.add_argument("--sheet", type=Path, required=True, metavar="FILE", help="the sheet for the annotator")
    arguments = parser.parse_args()
    runs = dict(run.split("=", 1) for run in arguments.run)
    pool = [row for name, folder in runs.items() for row in candidates(name, Path(folder))]
    rows = choose(pool, arguments.seed)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    arguments.out.write_text("".join(lines), encoding="utf-8")
    arguments.sheet.write_text(sheet(rows), encoding="utf-8")
    print(f"{len(rows)} of {len(pool)} responses")


if __name__ == "__main__":
    main()
