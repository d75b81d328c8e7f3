import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from made_results import record
from PIL import Image

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scenes import Goal, Judgement
from pebench_tasks.marking.scoring import score
from pebench_tasks.pages import samples
from pebench_tasks.pages.samples import Answer, Item
from pebench_tasks.results.files import Result
from pebench_tasks.results.rescore import Context, Rescored

HOSTILE = "</script><script>alert(1)</script><!-- \u2028\u2029 \u202e \x00 \ud800 & <img src=x onerror=alert(2)>"


def item(key: str, *, target: str = "event", name: str = "retain", text: str = "An answer.", change: str = "") -> Item:
    answers = [Answer("gd", text, "high score", 0.9, "ROUGE-L 0.90 to the truth")]
    return Item(key, target, name, "p000/e00", "What is this?", "A beach.", "", answers, change)


class Scripts(HTMLParser):
    """The text of the one script that the browser's HTML holds, as a browser would read it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["script"]:
            self.text += data


def data_of(html: str) -> dict[str, Any]:
    found = Scripts(html)
    assert found.tags.count("script") == 1
    assert "img" not in found.tags
    content: dict[str, Any] = json.loads(found.text)
    return content


def test_hostile_answers_stay_texts() -> None:
    html = samples.browser([item("p000/e00/scene", text=HOSTILE)], {}, per_slice=None)
    data = data_of(html)
    assert HOSTILE in data["texts"]
    assert not re.search("[\u2028\u2029\ud800\x00]", html)
    html.encode()


def test_hostile_names_stay_texts() -> None:
    (one,) = [item("p000/e00/scene", target=HOSTILE, name=HOSTILE, change=HOSTILE)]
    one = one._replace(answers=[Answer(HOSTILE, HOSTILE, HOSTILE, None, HOSTILE)])
    html = samples.browser([one], {}, per_slice=None)
    assert data_of(html)["items"]
    assert "alert(1)</script>" not in html


def test_a_text_is_written_once_however_many_models_gave_it() -> None:
    text = "Waves roll onto a sunny beach."
    html = samples.browser([item(f"p{i:03d}/e00/scene", text=text) for i in range(30)], {}, per_slice=None)
    assert html.count(text) == 1
    data = data_of(html)
    assert {data["texts"][row[8][0][1]] for row in data["items"]} == {text}


def test_at_most_so_many_of_each_slice_the_same_for_every_page() -> None:
    every = [item(f"p{i:03d}/e00/scene", name=name) for i in range(10) for name in ("retain", "scope")]
    lowest = sorted({one.key for one in every}, key=lambda key: hashlib.sha256(key.encode()).hexdigest())[:3]
    kept = samples.chosen(every, 3)
    assert [one.slice for one in kept].count("retain") == [one.slice for one in kept].count("scope") == 3
    assert {one.key for one in kept} == set(lowest)
    assert samples.chosen(every[::-1], 3) == kept[::-1]  # in their own order
    assert "6 of 20 samples are here: at most 3 of each slice" in samples.browser(every, {}, per_slice=3)
    assert "All 20 samples are here." in samples.browser(every, {}, per_slice=10)


def test_only_images_of_shown_samples_are_in_the_page() -> None:
    images = {"p000/e00": "data:image/webp;base64,AA", "p009/e09": "data:image/webp;base64,BB"}
    data = data_of(samples.browser([item("p000/e00/scene")], images, per_slice=None))
    assert list(data["images"]) == ["p000/e00"]


def test_the_change_filter_is_there_only_on_pages_that_compare() -> None:
    assert 'name="change"' not in samples.browser([item("p000/e00/scene")], {}, per_slice=None)
    assert 'name="change"' in samples.browser([item("p000/e00/scene", change="better")], {}, per_slice=None)


def test_thumbnails_are_small_pictures_each_image_once(benchmark: Benchmark) -> None:
    keys = ["p000/e00", "p001/e02", "p000/e00"]
    found = samples.thumbnails(benchmark, keys, 16)
    assert list(found) == ["p000/e00", "p001/e02"]
    head, _, content = found["p000/e00"].partition(",")
    assert head == "data:image/webp;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    assert (picture.format, picture.size) == ("WEBP", (16, 16))
    assert found == samples.thumbnails(benchmark, keys, 16)


def test_pictures_are_not_made_larger(benchmark: Benchmark) -> None:
    content = samples.thumbnails(benchmark, ["p000/e00"], 160)["p000/e00"].partition(",")[2]
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (32, 32)


class Four:
    """A judge whose marks are all 4.2 of 5."""

    fingerprint = "openai:model/1a2b3c4d"

    def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
        return Judgement(0.8, {"expected": 4.2})

    def retain(self, question: str, truth: str, response: str) -> Judgement:
        return Judgement(None, {"failed": "timeout"}) if response == "fail" else Judgement(0.8, {"expected": 4.2})


def marked(benchmark: Benchmark, target: str, name: str, response: str, **how: Any) -> tuple[Item, Answer]:
    """The item of the first document of a slice, and how the response to it is shown."""
    every = documents(benchmark, target, 5)
    document = next(one for one in every if one["slice"] == name)
    names = NameIndex(benchmark.names)
    response = response.format(answer=document["answer"])
    goals = [Goal("g" * 16, text.format(answer=document["answer"])) for text in how.pop("goals", [])]
    scored = score(document, response, names, goals, **how)
    found = Context(benchmark, names, {one["key"]: one for one in every}, None)
    result = Result("gd", "", "", {}, record(), benchmark.directory, benchmark.directory)
    rescored = Rescored(result, [scored], [])
    (one,) = samples.items([("gd", rescored)], found, [{document["key"]: response}], {})
    return one, one.answers[0]


@pytest.mark.parametrize(
    ("target", "name", "response", "options", "outcome", "value", "how"),
    [
        ("person", "retain", "This is {answer}.", {}, "recognised", 1.0, "named: recognised"),
        ("person", "efficacy", "This is {answer}.", {}, "recognised", 0.0, "named: recognised"),
        ("person", "efficacy", "I am not sure who.", {}, "refused", 1.0, "named: refused"),
        ("person", "world", "{answer}, it is", {}, "right", 1.0, "yes/no: right"),
        ("person", "world", "Perhaps.", {}, "no yes or no", 0.0, "yes/no: no yes or no"),
        ("person", "scope", "{answer}", {}, "high score", 1.0, "ROUGE-L 1.00 to the truth"),
        ("event", "scope", "{answer}", {}, "recognised", 1.0, "named: recognised"),
        ("event", "retain", "", {}, "empty", 0.0, "ROUGE-L 0.00 to the truth"),
        ("event", "efficacy", "{answer}", {}, "low score", 0.0,
         "0.00: gives away 1.00 of the truth (ROUGE-L), no Goal to compare with"),
        ("event", "efficacy", "zig zag zog", {"goals": ["zig zag zog"]}, "high score", 1.0,
         "1.00: 1.00 away from the truth, 1.00 towards the nearest Goal answer (ROUGE-L)"),
        ("event", "efficacy", "zig zag zog", {"goals": ["{answer}"]}, "no score", None,
         "no score: the Goal's answer is the truth itself"),
        ("event", "retain", "It is so.", {"judge": Four()}, "high score", 0.8,
         "judge 4.2 of 5 (openai:model/1a2b3c4d)"),
        ("event", "retain", "fail", {"judge": Four()}, "no judgement", None, "the judge gave no mark: timeout"),
    ],
)  # fmt: skip
def test_it_says_in_words_how_an_answer_was_marked(
    benchmark: Benchmark,
    target: str,
    name: str,
    response: str,
    options: dict[str, Any],
    outcome: str,
    value: float | None,
    how: str,
) -> None:
    one, answer = marked(benchmark, target, name, response, **options)
    assert (one.target, one.slice) == (target, name)
    assert (answer.outcome, answer.value) == (outcome, value if value is None else pytest.approx(value))
    assert answer.how.removesuffix("; degenerate") == how


def test_every_model_of_a_document_stands_in_its_item_in_the_order_of_the_models(benchmark: Benchmark) -> None:
    every = documents(benchmark, "person", 5)
    names = NameIndex(benchmark.names)
    found = Context(benchmark, names, {one["key"]: one for one in every}, None)
    texts = [{one["key"]: f"{model} says" for one in every[:5]} for model in ("a", "b")]
    result = Result("gd", "", "", {}, record(), benchmark.directory, benchmark.directory)
    models = [
        (name, Rescored(result, [score(one, own[one["key"]], names) for one in reversed(every[:5])], []))
        for name, own in zip(("a", "b"), texts, strict=True)
    ]
    items = samples.items(models, found, texts, {every[0]["key"]: "a Goal's answer"})
    assert [one.key for one in items] == [one["key"] for one in every[:5]]
    assert [answer.text for answer in items[0].answers] == ["a says", "b says"]
    assert [one.goal for one in items] == ["a Goal's answer", "", "", "", ""]
