"""Rules that hold for any response: ranges, order, case, accents, punctuation, silence."""

import json
import unicodedata
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.overlap import keyword_share, rouge_l
from pebench_tasks.marking.scenes import Goal
from pebench_tasks.marking.scoring import distance_to_goal, mean, score
from pebench_tasks.marking.words import Text, normalise
from pebench_tasks.marking.yes_no import world_accuracy, world_f1, world_invalid_rate, world_yes_ratio
from pebench_tasks.results.summary import summarise

quick = settings(max_examples=60, deadline=None)

SPELLINGS = ["Ana López", "Ben Okoro", "Mary Ann O'Neil", "Ann O'Neil", "Zoë Weiß"]
NAMES = NameIndex(SPELLINGS)
WORDS = [*(word for name in SPELLINGS for word in name.split()), "sorry", "yes", "no", "a", "park", "café", "people"]
SCENE = "People jog along a quiet café in the park."
KINDS = [
    *(("name", name) for name in ("efficacy", "generality", "retain", "scope", "real")),
    *(("scene", name) for name in ("efficacy", "generality", "retain", "scope", "real")),
    ("yesno", "world"),
]

# Any string at all, or one made of words that matter.
responses = st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)
goals = st.lists(responses, max_size=3).map(lambda texts: [Goal(f"g{i}", text) for i, text in enumerate(texts)])
kinds = st.sampled_from(KINDS)


def document(kind: str, slice_: str, truth: str = "yes", split: str = "random") -> dict[str, Any]:
    return {
        "key": f"{kind}/{slice_}/{truth}",
        "slice": slice_,
        "target": "person",
        "kind": kind,
        "answer": {"name": "Ana López", "scene": SCENE, "yesno": truth}[kind],
        "question": {"name": "Who is this?", "scene": "Describe the scene in detail.", "yesno": "Is there a dog?"}[
            kind
        ],
        "keywords": ["park", "café"],
        "category": split,
        "data": "d",
        "split": "s",
        "template": "t",
        "forget": "forget05",
    }


@st.composite
def respelled(draw: st.DrawFn) -> tuple[str, str]:
    """A response, and the same with other case, accents and punctuation."""
    words = draw(st.lists(st.sampled_from(WORDS), max_size=10))
    change = st.sampled_from([str.upper, str.lower, str.title, str.swapcase])
    marks = st.sampled_from(["", "\u0301", "\u0308", "\u0327", "\u00ad"])
    joints = st.sampled_from([" ", ", ", " — ", "-", "\n", "’", "... ", "\u00a0"])
    other = ""
    for word in words:
        plain = unicodedata.normalize(draw(st.sampled_from(["NFC", "NFD", "NFKC"])), word)
        other += draw(joints) + draw(change)(plain) + draw(marks)
    return " ".join(words), other


@quick
@given(respelled(), kinds.filter(lambda kind: kind[0] == "scene"), goals)
def test_case_accents_and_punctuation_never_matter_to_scenes(
    pair: tuple[str, str], kind: tuple[str, str], g: list[Goal]
) -> None:
    """To a name or an answer they do: a denial, a conclusion stand in a clause of their own."""
    one, other = pair
    assert score(document(*kind), one, NAMES, g) == score(document(*kind), other, NAMES, g)


@quick
@given(respelled(), responses)
def test_case_accents_and_punctuation_never_matter_to_rouge_l(pair: tuple[str, str], text: str) -> None:
    assert rouge_l(Text.of(pair[0]), Text.of(text)) == rouge_l(Text.of(pair[1]), Text.of(text))
    assert rouge_l(Text.of(text), Text.of(pair[0])) == rouge_l(Text.of(text), Text.of(pair[1]))
    assert keyword_share(["park", "Café"], Text.of(pair[0])) == keyword_share(["park", "Café"], Text.of(pair[1]))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_normalising_twice_changes_nothing(text: str) -> None:
    plain = normalise(text)
    assert normalise(plain) == plain
    assert normalise(text.upper()) == plain
    assert normalise(unicodedata.normalize("NFD", text)) == plain


@quick
@given(responses, kinds, goals)
def test_every_score_is_in_its_range(response: str, kind: tuple[str, str], g: list[Goal]) -> None:
    scored = score(document(*kind), response, NAMES, g)
    assert scored.provenance.outcome
    assert {scored.metrics.pop(flag) for flag in ("empty", "degenerate")} <= {0.0, 1.0}
    for value in scored.metrics.values():
        if kind[0] == "name":
            assert value in (0.0, 100.0)
        elif kind[0] == "scene":
            assert 0.0 <= value <= 1.0
        else:
            assert value["answer"] in ("yes", "no", "invalid")


@quick
@given(responses, st.sampled_from(["name", "scene"]), st.sampled_from(["retain", "scope", "real"]))
def test_an_empty_response_never_helps_what_must_stay(response: str, kind: str, slice_: str) -> None:
    doc = document(kind, slice_)
    assert score(doc, "", NAMES).metrics[slice_] == 0.0 <= score(doc, response, NAMES).metrics[slice_]


@quick
@given(st.lists(responses, min_size=1, max_size=8), st.integers(0, 7), st.sampled_from(["name", "scene"]))
def test_silencing_one_answer_never_raises_retain(answers: list[str], which: int, kind: str) -> None:
    doc = document(kind, "retain")
    silenced = [*answers]
    silenced[which % len(answers)] = ""
    before, after = (mean(score(doc, r, NAMES).metrics["retain"] for r in texts) for texts in (answers, silenced))
    assert after <= before


@quick
@given(responses.filter(lambda text: normalise(text) != ""))
def test_the_goal_answer_always_has_efficacy_one(response: str) -> None:
    assert score(document("scene", "efficacy"), response, NAMES, [Goal("g", response)]).metrics["efficacy"] == 1.0


@quick
@given(responses, goals.filter(bool), st.randoms())
def test_order_of_goals_never_matters(response: str, g: list[Goal], random: Any) -> None:
    doc = document("scene", "generality")
    expected = score(doc, response, NAMES, g)
    random.shuffle(g)
    assert score(doc, response, NAMES, g) == expected


marked = st.builds(
    lambda split, truth, response: score(document("yesno", "world", truth, split), response, NAMES).metrics["world"],
    st.sampled_from(["random", "popular", "adversarial"]),
    st.sampled_from(["yes", "no"]),
    st.sampled_from(["yes", "no", "sorry", ""]),
)
WORLD: list[tuple[Callable[[Any], float], float]] = [
    (world_f1, 100),
    (world_accuracy, 100),
    (world_invalid_rate, 1),
    (world_yes_ratio, 1),
]


@quick
@given(st.lists(marked, min_size=1, max_size=20), st.randoms())
def test_world_is_in_range_and_order_never_matters(documents: list[Any], random: Any) -> None:
    shuffled = [*documents]
    random.shuffle(shuffled)
    for aggregate, most in WORLD:
        assert 0 <= aggregate(documents) == aggregate(shuffled) <= most


@quick
@given(st.lists(marked, min_size=1, max_size=20), st.integers(0, 19))
def test_an_invalid_world_answer_never_helps(documents: list[Any], which: int) -> None:
    silenced = [*documents]
    silenced[which % len(documents)] = {**silenced[which % len(documents)], "answer": "invalid"}
    assert world_accuracy(silenced) <= world_accuracy(documents)
    assert world_f1(silenced) <= world_f1(documents)


@quick
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.randoms())
def test_order_never_matters_to_the_mean(values: list[float], random: Any) -> None:
    expected = mean(values)
    random.shuffle(values)
    assert mean(values) == expected
    assert 0 <= expected <= 1


@quick
@given(st.lists(st.tuples(kinds, responses), min_size=1, max_size=15), st.randoms())
def test_order_never_matters_to_the_summary(answers: list[tuple[tuple[str, str], str]], random: Any) -> None:
    provenances = [score(document(*kind), response, NAMES).provenance for kind, response in answers]
    expected = json.dumps(summarise(provenances))  # the order of keys included
    random.shuffle(provenances)
    assert json.dumps(summarise(provenances)) == expected


@quick
@given(st.lists(st.text(alphabet="abc XYZ.'-_09", max_size=60), min_size=2, max_size=2))
def test_on_ascii_rouge_l_is_the_packages_own(texts: list[str]) -> None:
    own = RougeScorer(["rougeL"], use_stemmer=False, split_summaries=False)
    first, second = map(Text.of, texts)
    assert rouge_l(first, second) == own.score(texts[1], texts[0])["rougeL"].fmeasure == rouge_l(second, first)


rows = st.fixed_dictionaries(
    dict.fromkeys(("efficacy", "generality", "retain", "real", "world"), st.floats(0, 100)) | {"scope": st.floats(0, 1)}
)


@quick
@given(rows, rows)
def test_distance_is_in_range_and_nothing_from_itself(row: dict[str, float], goal: dict[str, float]) -> None:
    assert all(0 <= part <= 1 for part in distance_to_goal(row, goal, "person"))
    assert distance_to_goal(row, row, "person") == (0, 0, 0)
