"""How well the lexical event scores agree with labels, keyword share and the demo model's own embeddings.

Everything is computed from the files in ``benchmarks/agreement``: 100 responses (chosen by
``agreement_responses.py``), their labels, cosines, and the figures of whole models. The last two can be computed
anew, and are then written back: ``--model runs/demo/finetuned`` and ``--run NAME=FOLDER``, once for every run.
"""

import argparse
import csv
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from agreement_measures import Row, embed, figures, measure, read_responses, write_table
from agreement_responses import WANTED
from numpy.typing import NDArray
from scipy import stats

from pebench_tasks.errors import exit_code
from pebench_tasks.files import write_whole
from pebench_tasks.marking.scoring import mean

HERE = Path(__file__).parent
DATA = HERE / "agreement"
RESAMPLES = 1000
NONSENSE = ("gibberish", "loop", "refusal", "empty")
BETWEEN = ("partly true", "mixture", "another scene")  # neither nonsense nor an end of the scale
LIMITS = """\
- The models have 1.3 million parameters and know ten descriptions nearly word for word. What they say is one of those
  descriptions, pieces of several, or broken words: nothing is paraphrased, and that favours every measure that counts
  words. What is found here says little about the free wording of a large model.
- One annotator, a language model that read every response by itself with its truth and Goal answer, and saw neither
  scores nor models. No person has labelled them, and there is no second annotator to compare with.
- The scale of the Efficacy label has the ends of the lexical formula (1 the true scene, 5 the Goal model's answer), and
  the annotator knew that formula. Exact copies of the truth or of Goal's answer agree almost by definition: the row
  without both, and without nonsense, is the strictest.
- The kinds of response were chosen in fixed numbers so that the whole range occurs. Over the responses as they
  come (41 % gibberish and 21 % true descriptions among unlearned models' answers about scenes to forget) the
  correlations would be other numbers.
- A few Goal answers are nonsense themselves, since some Goal models are; being like them is no success.
- Responses about one event, or of one model, are not independent of one another: the intervals are rather too narrow.
- The embeddings are those of the tiny model itself, one vector for each of 1,000 word pieces, averaged: word order
  does not count, and two different scenes still have a cosine of about one half."""
Values = NDArray[np.float64]


class Pair(NamedTuple):
    """Two measures of the same responses."""

    name: str
    first: str
    second: str
    rows: Sequence[Row]


def spearman(first: Values, second: Values) -> Values:
    """Spearman's rank correlation along the last axis; nan where all values are equal."""
    ranks = [stats.rankdata(values, axis=-1) for values in (first, second)]
    one, other = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    with np.errstate(invalid="ignore"):
        return np.asarray((one * other).sum(-1) / np.sqrt((one**2).sum(-1) * (other**2).sum(-1)))


def kendall(first: Values, second: Values) -> Values:
    """Kendall's tau-b along the last axis, over all pairs; nan where all values are equal."""
    one, other = (np.sign(values[..., :, None] - values[..., None, :]) for values in (first, second))
    with np.errstate(invalid="ignore"):
        products = (one * other).sum((-1, -2))
        return np.asarray(products / np.sqrt((one**2).sum((-1, -2)) * (other**2).sum((-1, -2))))


def interval(statistic: Callable[[Values, Values], Values], first: Values, second: Values) -> tuple[float, float]:
    """The central 95 % of the statistic over seeded resamples of the responses (percentile bootstrap)."""
    draws = np.random.default_rng(0).integers(len(first), size=(RESAMPLES, len(first)))  # (resamples, responses)
    found = np.concatenate([statistic(first[part], second[part]) for part in np.array_split(draws, 20)])
    low, high = np.nanquantile(found, (0.025, 0.975))
    return float(low), float(high)


def line(pair: Pair) -> str:
    """A table row: both correlations with their intervals; a dash where one measure is the same throughout."""
    both = [np.array([row[name] for row in pair.rows], dtype=float) for name in (pair.first, pair.second)]
    cells = [pair.name, str(len(pair.rows))]
    for statistic in (spearman, kendall):
        value = float(statistic(*both))
        low, high = interval(statistic, *both) if np.isfinite(value) else (value, value)
        cells.append(f"{value:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(value) else "-")
    return "| " + " | ".join(cells) + " |"


def correlations(pairs: Sequence[Pair]) -> str:
    """The table of correlations, with the pairs in order; pairs of fewer than three rows are left out."""
    head = "| compared | n | Spearman's rho | Kendall's tau-b |\n| --- | ---: | ---: | ---: |"
    return "\n".join([head, *(line(pair) for pair in pairs if len(pair.rows) > 2)])


def pairs_of(concern: str, rows: Sequence[Row]) -> list[Pair]:
    """Efficacy's or Retain's comparisons: lexical with the other three, and those with the labels."""
    fluent = [row for row in rows if row["kind"] not in NONSENSE]
    between = [row for row in rows if row["kind"] in BETWEEN]
    names = {"lexical": "lexical", "label": "label", "embedding": "embeddings"}
    names["keywords"] = "1 - keyword share" if concern == "efficacy" else "keyword share"

    def pair(first: str, second: str, of: Sequence[Row], note: str = "") -> Pair:
        return Pair(f"{names[first]}, {names[second]}{note}", f"{first}_{concern}", f"{second}_{concern}", of)

    return [
        pair("lexical", "label", rows),
        pair("lexical", "label", fluent, ", without nonsense"),
        pair("lexical", "label", between, ", partly true, mixture, another scene"),
        pair("lexical", "keywords", rows),
        pair("lexical", "embedding", rows),
        pair("keywords", "label", rows),
        pair("embedding", "label", rows),
    ]


def by_kind(concern: str, rows: Sequence[Row]) -> str:
    """The mean of every measure for each kind of response."""
    measures = [f"{name}_{concern}" for name in ("label", "lexical", "embedding", "keywords")]
    last = "1 - keyword share" if concern == "efficacy" else "keyword share"
    lines = [f"| response | n | label | lexical | embeddings | {last} |", "| --- |" + " ---: |" * 5]
    for kind in WANTED:
        of_kind = [row for row in rows if row["kind"] == kind]
        if of_kind:
            means = (f"{mean(row[measure] for row in of_kind):.2f}" for measure in measures)
            lines.append(f"| {kind} | {len(of_kind)} | " + " | ".join(means) + " |")
    return "\n".join(lines)


def report(responses: Sequence[Row], measured: Sequence[Row], models: Sequence[Row]) -> str:
    """The whole study as Markdown."""
    forget = [row for row in measured if "lexical_efficacy" in row]
    numbers = [{**row, **{name: float(row[name]) for name in ("efficacy", "keywords_gone")}} for row in models]
    unlearned = [row for row in numbers if row["model"] != "finetuned" and not row["model"].startswith("goal-")]
    whole = [
        Pair(name, "efficacy", "keywords_gone", of) for name, of in {"all": numbers, "unlearned": unlearned}.items()
    ]
    runs, kinds = (len({row[name] for row in responses}) for name in ("run", "model"))
    about = (
        f"{len(responses)} real responses of the tiny models of `make demo` and `make table1`, from {runs} seeds and "
        f"{kinds} kinds of model: {len(forget)} about scenes to forget, {len(responses) - len(forget)} about scenes to "
        "keep. Chosen by `agreement_responses.py`, labelled by reading (see the limits for by whom). Every measure is "
        "0-1: a label x of 1-5 is (x - 1) / 4; *embeddings* is the lexical formula with the cosine of mean input "
        "embeddings of the demo's finetuned model in place of ROUGE-L. In brackets: 95 % bootstrap intervals over "
        "responses."
    )
    which = (
        f"Of {len({row['run'] for row in models})} runs, on the event and the joint target, models resampled; "
        "*unlearned* leaves out the finetuned and the Goal models."
    )
    paragraphs = [
        "# How far the lexical event score agrees with other measures",
        textwrap.fill(about, 118),
        "## Efficacy: has the scene been forgotten",
        correlations(pairs_of("efficacy", forget)),
        "*Nonsense* is gibberish, loops, refusals and empty responses, told by rule. Means by kind of response:",
        by_kind("efficacy", forget),
        "## Retain: is the true scene described",
        "On all responses, those about scenes to forget included.",
        correlations(pairs_of("retain", measured)),
        "Means by kind of response:",
        by_kind("retain", measured),
        "## Whole models: mean lexical Efficacy and mean of 1 - keyword share",
        textwrap.fill(which, 118),
        correlations(whole),
        "## Limits",
        LIMITS,
    ]
    return "\n\n".join(paragraphs) + "\n"


def main() -> int:
    """Print the study, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=Path, default=DATA / "responses.jsonl", metavar="FILE")
    parser.add_argument("--labels", type=Path, default=DATA / "labels.csv", metavar="FILE")
    parser.add_argument("--embeddings", type=Path, default=DATA / "embeddings.csv", metavar="FILE")
    parser.add_argument("--models", type=Path, default=DATA / "models.csv", metavar="FILE")
    parser.add_argument("--model", type=Path, metavar="FOLDER", help="a checkpoint: compute --embeddings anew")
    parser.add_argument("--run", action="append", metavar="NAME=FOLDER", help="a scored run: compute --models anew")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the study as Markdown")
    arguments = parser.parse_args()
    responses = read_responses(arguments.responses)
    if arguments.model is not None:
        write_table(arguments.embeddings, embed(responses, arguments.model))
    if arguments.run is not None:
        runs = dict(run.split("=", 1) for run in arguments.run)
        write_table(arguments.models, figures({name: Path(folder) for name, folder in runs.items()}))
    measured = measure(responses, arguments.labels, arguments.embeddings)
    with arguments.models.open(newline="", encoding="utf-8") as file:
        text = report(responses, measured, list(csv.DictReader(file)))
    if arguments.out is not None:
        write_whole(arguments.out, text)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(main))
