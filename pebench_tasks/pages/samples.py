"""The sample browser: what was asked, what was true, what each model answered and how that was marked."""

import base64
import hashlib
import io
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup
from rich.progress import track

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.scenes import TRUTH_ONLY
from pebench_tasks.marking.scoring import PERCENT, Score, forgotten_scene
from pebench_tasks.marking.similarity import LEXICAL, means_meaning
from pebench_tasks.pages.page import environment
from pebench_tasks.results.rescore import Context, Rescored
from pebench_tasks.results.samples import Logged

QUALITY = 70  # of WebP: at 160 px about 4 KB a photograph
HIGH, LOW = 2 / 3, 1 / 3  # scores of scenes in words; ours
# What would end a script element or a JavaScript line, and surrogates, which no file can hold.
UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


class Answer(NamedTuple):
    """One model's answer to a question."""

    model: str
    text: str
    outcome: str  # what the filter offers: "recognised", "refused", "right", "high score" ...
    value: float | None  # 0 (worst) to 1 (best), whatever the figure's unit; None where nothing was marked
    how: str  # in words, how it was marked


class Item(NamedTuple):
    """One question about one image, with every model's answer."""

    key: str
    target: str
    slice: str
    image: str  # its key; what ``thumbnails`` was asked for
    question: str
    truth: str
    goal: str  # a Goal's answer; "" where there is none
    answers: list[Answer]
    change: str = ""  # on pages that compare: "better", "worse" or "same"


def responses_of(logged: Logged) -> dict[str, str]:
    """The logged responses by document key."""
    return {sample.key: sample.response for sample in logged.samples}


def items(
    models: Sequence[tuple[str, Rescored]],
    found: Context,
    responses: Sequence[Mapping[str, str]],
    goal: Mapping[str, str],
) -> list[Item]:
    """Every document of one task with the answers of all models, in the order of the benchmark's documents.

    ``models`` are names and what ``rescore`` returned; ``responses`` are, for each of them, its responses by key
    (``responses_of``); ``goal`` a Goal model's responses by key, if only for some documents.
    """
    answers: defaultdict[str, list[Answer]] = defaultdict(list)
    for (name, rescored), texts in zip(models, responses, strict=True):
        for score in rescored.scores:
            key = score.provenance.key
            answers[key].append(_answer(name, texts[key], score))
    return [
        Item(
            key=key,
            target=document["target"],
            slice=document["slice"],
            image=document["image"],
            question=document["question"],
            truth=document["answer"],
            goal=goal.get(key, ""),
            answers=answers[key],
        )
        for key, document in found.documents.items()
        if key in answers
    ]


def _answer(model: str, text: str, score: Score) -> Answer:
    """What was logged of one response, in words."""
    provenance, value = score.provenance, score.provenance.value
    if provenance.withheld:
        return Answer(model, text, "withheld", None, "scores withheld")
    if isinstance(value, dict):
        right = value["answer"] == value["truth"]
        outcome = "no yes or no" if value["answer"] == "invalid" else "right" if right else "wrong"
        return Answer(model, text, outcome, float(right), f"yes/no: {outcome}")
    if provenance.unscored:
        return Answer(model, text, "no score", None, "no score: the Goal's answer is the truth itself")
    if value is None:
        return Answer(model, text, "no judgement", None, f"the judge gave no mark: {provenance.failure}")
    outcome = provenance.outcome
    if provenance.kind == "name":
        part = "; first name or surname alone" if provenance.partial else ""
        share = value / 100 if provenance.slice in PERCENT[provenance.target] else value
        return Answer(model, text, outcome, share, f"named: {outcome}{part}")
    if outcome == "other":
        outcome = "high score" if value >= HIGH else "low score" if value < LOW else "middling score"
    return Answer(model, text, outcome, value, _marked(score, value))


def _marked(score: Score, value: float) -> str:
    """How the description of a scene was marked."""
    metrics, provenance = score
    name = provenance.slice
    forgotten = forgotten_scene(provenance.kind, name)
    broken = "; degenerate" if provenance.degenerate else ""
    judge = provenance.judge
    by = f" ({judge})" if means_meaning(judge) else " (ROUGE-L)"
    if forgotten and f"{name}{TRUTH_ONLY}" in metrics:
        return f"{value:.2f}: gives away {1 - value:.2f} of the truth{by}, no Goal to compare with{broken}"
    if judge not in (None, LEXICAL) and not means_meaning(judge):
        return f"judge {1 + 4 * value:.1f} of 5 ({judge}){broken}"
    if forgotten:
        both = metrics[f"{name}_away"], metrics[f"{name}_toward"]
        away, toward = (mark for mark in both if isinstance(mark, int | float))
        return f"{value:.2f}: {away:.2f} away from the truth, {toward:.2f} towards the nearest Goal answer{by}{broken}"
    if means_meaning(judge):
        return f"{value:.2f} near the truth{by}{broken}"
    return f"ROUGE-L {value:.2f} to the truth{broken}"


def thumbnails(benchmark: Benchmark, keys: Iterable[str], pixels: int) -> dict[str, str]:
    """Small pictures (WebP, at most ``pixels`` wide and high) as data URIs, each image key once."""
    wanted = list(dict.fromkeys(keys))
    found = {}
    for key in track(wanted, description="pictures", transient=True, disable=len(wanted) < 50):
        image = benchmark.image(key)
        image.thumbnail((pixels, pixels))
        file = io.BytesIO()
        image.save(file, "WEBP", quality=QUALITY, method=4)
        found[key] = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return found


def chosen(items: Sequence[Item], per_slice: int | None) -> list[Item]:
    """At most ``per_slice`` items of each target's slice, in their order; those that changed come before others.

    Else a hash of their keys chooses: the same ones for every model and page.
    """
    if per_slice is None:
        return list(items)
    slices: defaultdict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        slices[item.target, item.slice].append(item)
    kept = {(item.target, item.key) for members in slices.values() for item in sorted(members, key=_place)[:per_slice]}
    return [item for item in items if (item.target, item.key) in kept]


def _place(item: Item) -> tuple[bool, bytes]:
    return item.change in ("", "same"), hashlib.sha256(item.key.encode()).digest()


def browser(items: Sequence[Item], images: Mapping[str, str], *, per_slice: int | None) -> Markup:
    """The sample browser as HTML: filters, a list, one sample at a time; a page holds one.

    ``per_slice``: at most so many documents of each target's slice, chosen by a hash of their keys (None: all). Images
    that no shown sample needs are left out: make only those of ``chosen`` to begin with.
    """
    kept = chosen(items, per_slice)
    sentence = f"All {len(items):,} samples are here."
    if len(kept) < len(items):
        sentence = (
            f"{len(kept):,} of {len(items):,} samples are here: at most {per_slice:,} of each slice, "
            + ("those that changed first, the others " if any(item.change for item in items) else "")
            + "drawn by a hash of their keys, the same for every model."
        )
    return Markup(
        environment()
        .get_template("browser.html.jinja")
        .render(
            sentence=sentence,
            targets=list(dict.fromkeys(item.target for item in kept)),
            slices=list(dict.fromkeys(item.slice for item in kept)),
            models=list(dict.fromkeys(answer.model for item in kept for answer in item.answers)),
            outcomes=_by_count(answer.outcome for item in kept for answer in item.answers),
            changes=_by_count(item.change for item in kept if item.change),
            data=Markup(_json(kept, images)),
        )
    )


def _by_count(values: Iterable[str]) -> list[str]:
    return [value for value, _ in Counter(values).most_common()]


def _json(items: Sequence[Item], images: Mapping[str, str]) -> str:
    """The items as JSON that is safe inside a script element; every text is written once and named by its number."""
    numbers: dict[str, int] = {}

    def number(text: str) -> int:
        return numbers.setdefault(text, len(numbers))

    rows = [
        [
            *(number(text) for text in (item.key, item.target, item.slice, item.image)),
            *(number(text) for text in (item.question, item.truth, item.goal, item.change)),
            [[number(a.model), number(a.text), number(a.outcome), a.value, number(a.how)] for a in item.answers],
        ]
        for item in items
    ]
    shown = {item.image for item in items}
    data = {
        "texts": list(numbers),
        "items": rows,
        "images": {key: uri for key, uri in images.items() if key in shown},
    }
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
