"""The measures of the agreement study: of every response, and of whole models. All are 0-1.

High ``*_efficacy`` says that the scene is forgotten, high ``*_retain`` that the true scene is described.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.files import write_whole
from pebench_tasks.marking.lexical import WORDS
from pebench_tasks.marking.overlap import keyword_share, rouge_l
from pebench_tasks.marking.scenes import event_efficacy
from pebench_tasks.marking.words import Text

COSINES = ("response_truth", "response_goal", "goal_truth")
Row = dict[str, Any]


def read_responses(path: Path) -> list[Row]:
    """The chosen responses, by file order; ``BenchmarkError`` if the file is missing."""
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing. Write it with agreement_responses.py.")
    with path.open(encoding="utf-8") as lines:  # not splitlines(): a response may hold any character
        return [json.loads(line) for line in lines]


def read_table(path: Path, ids: Iterable[str]) -> dict[str, dict[str, str]]:
    """The rows of a CSV file by ``id``: exactly one for each of ``ids``, or ``BenchmarkError``."""
    if not path.is_file():
        raise BenchmarkError(f"{path} is missing.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    table = {row["id"]: row for row in rows}
    if len(table) < len(rows):
        raise BenchmarkError(f"{path}: an id occurs twice. Keep one row of each.")
    wanted = set(ids)
    if unknown := sorted(table.keys() - wanted):
        raise BenchmarkError(f"{path}: no response has the id {', '.join(unknown)}. Remove the row or correct the id.")
    if missing := sorted(wanted - table.keys()):
        raise BenchmarkError(f"{path}: nothing about {', '.join(missing)}. Add a row for each.")
    return table


def label(text: str, path: Path, key: str, column: str) -> float:
    """A label of 1-5 on the judges' scale of 0-1, ``(x - 1) / 4``."""
    if text not in ("1", "2", "3", "4", "5"):
        raise BenchmarkError(f"{path}: {column} of {key} is {text!r}. Give an integer from 1 to 5.")
    return (int(text) - 1) / 4


def measure(responses: Sequence[Row], labels: Path, embeddings: Path) -> list[Row]:
    """Every response with all its measures, 0-1: what must be forgotten has ``*_efficacy`` beside ``*_retain``.

    High ``efficacy`` says forgotten, high ``retain`` says the true scene is described.
    """
    labelled = read_table(labels, (row["id"] for row in responses))
    cosines = read_table(embeddings, (row["id"] for row in responses))
    measured = []
    for row in responses:
        key, goal = row["id"], row["goal"]
        own, cosine = labelled[key], {name: float(cosines[key][name] or 0) for name in COSINES}
        said, truth = Text.of(row["response"]), Text.of(row["truth"])
        truth_overlap, share = rouge_l(said, truth), keyword_share(row["keywords"], said)
        found = {
            "kind": row["kind"],
            "lexical_retain": truth_overlap,
            "label_retain": label(own["similar"], labels, key, "similar"),
            "keywords_retain": share,
            "embedding_retain": cosine["response_truth"],
        }
        if goal is None:
            if own["forgotten"]:
                raise BenchmarkError(f"{labels}: {key} must be kept. Leave its `forgotten` empty.")
        else:
            wanted = Text.of(goal)
            found |= {
                "lexical_efficacy": score(
                    WORDS.given_away(row["truth"], row["response"]),
                    WORDS.given_away(row["truth"], goal),
                    rouge_l(said, wanted),
                    rouge_l(truth, wanted),
                ),
                "label_efficacy": label(own["forgotten"], labels, key, "forgotten"),
                "keywords_efficacy": 1 - share,
                "embedding_efficacy": score(
                    cosine["response_truth"], cosine["goal_truth"], cosine["response_goal"], cosine["goal_truth"]
                ),
            }
        # rounded, so that equal values computed along different ways are ties
        measured.append({name: round(value, 9) if isinstance(value, float) else value for name, value in found.items()})
    return measured


def score(given_away: float, goal_given_away: float, nearness: float, truth_nearness: float) -> float:
    """The event score, of a Goal that does not say the truth itself."""
    marks = event_efficacy(given_away, goal_given_away, nearness, truth_nearness)
    if marks is None:
        raise BenchmarkError("A Goal's answer is the truth itself: nothing can be said of such a response.")
    return marks.efficacy


def embed(responses: Sequence[Row], model: Path) -> list[Row]:
    """Cosines, 0-1, between mean input embeddings of the checkpoint's language model; negative or no words: 0."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    if not model.is_dir():
        raise BenchmarkError(f"There is no checkpoint {model}. Run `make demo` first.")
    tokenizer = AutoTokenizer.from_pretrained(model)
    layer: Any = AutoModelForImageTextToText.from_pretrained(model).get_input_embeddings()
    table: torch.Tensor = layer.weight.detach().double()  # (vocabulary, hidden)

    def vector(text: str) -> torch.Tensor:
        tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
        return table[tokens].mean(dim=0) if tokens else torch.zeros(table.shape[1], dtype=table.dtype)  # (hidden,)

    def cosine(one: str, other: str) -> str:
        similarity = torch.nn.functional.cosine_similarity(vector(one), vector(other), dim=0)
        return f"{max(0.0, similarity.item()):.6f}"

    rows = []
    for row in responses:
        truth, goal, response = row["truth"], row["goal"], row["response"]
        row_cosines = {"id": row["id"], "response_truth": cosine(response, truth)}
        with_goal = {"response_goal": cosine(response, goal), "goal_truth": cosine(goal, truth)} if goal else {}
        rows.append({**row_cosines, **dict.fromkeys(COSINES[1:], ""), **with_goal})
    return rows


def figures(runs: Mapping[str, Path]) -> list[Row]:
    """Mean lexical event Efficacy and 1 - keyword share, 0-1, of every model the runs scored on events or jointly."""
    from pebench_tasks.results.samples import read_logged

    rows = []
    for name, run in runs.items():
        for folder in sorted(run.glob("scores/*")):
            for result, _ in read_logged(folder):
                prefix = {"pebench_events": "", "pebench_joint": "event_"}.get(result.task)
                if prefix is None:
                    continue
                if f"{prefix}efficacy" not in result.metrics or result.provenance.judge != "lexical":
                    raise BenchmarkError(f"{result.results_file} has no lexical Efficacy. Score with Goal responses.")
                efficacy, keywords = (result.metrics[f"{prefix}efficacy{end}"] for end in ("", "_keywords"))
                row = {"run": name, "model": folder.name, "task": result.task}
                rows.append({**row, "efficacy": f"{efficacy:.6f}", "keywords_gone": f"{1 - keywords:.6f}"})
    return rows


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """A CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
