"""What methods put in the place of what is forgotten: refusals, and the samples of SIU.

SIU (Single Image Unlearning, arXiv 2405.12523) trains on four kinds of samples; the fourth is the retain set. The
kinds are those of second-hand descriptions; their mapping to people and events, all wordings, and what replaces a name
or a scene are ours. A forgotten concept gets one replacement, the same for all of its images, so that the model is
taught one thing; the four phrasings of every question, drawn in training, make the four samples of a kind.
"""

from collections.abc import Sequence
from itertools import product
from random import Random

import pebench_templates

from pebench_tasks.benchmark.reading import Benchmark, Row
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.overlap import keyword_share
from pebench_tasks.marking.words import Text, normalise
from unlearn.data.samples import Sample, fact_samples, name_sample, scene_sample

REFUSALS = {"person_question": "person_refusal", "scene_question": "scene_refusal"}


def refusals(forgotten: Sequence[Sample]) -> list[Sample]:
    """The same prompts in the same order, each answered by one of the refusals to its question."""
    return [
        sample._replace(answer=_drawn(REFUSALS[sample.question], sample.key), key=f"{sample.key}/refusal")
        for sample in forgotten
    ]


def swapped(benchmark: Benchmark, split: Split, *, images_per_concept: int = 1) -> list[Sample]:
    """SIU's first kind: images of D^f_train with a wrong name, or with the description of a retained event.

    One sample for each of ``images_per_concept`` images of a concept, or for all of them if there are fewer; a smaller
    number takes a part of the images of a larger one. Raises ``BenchmarkError`` for a number below 1, and where the
    names of the benchmark leave no wrong one.
    """
    if images_per_concept < 1:
        raise BenchmarkError(f"There must be at least 1 image per concept, not {images_per_concept}.")
    images: dict[str, list[str]] = {concept: [] for concept in split.forget_ids}
    where = {row["key"]: (row["person"], row["event"]) for row in benchmark.images}
    for key in split.train:
        for concept in where[key]:
            if concept in images:
                images[concept].append(key)
    chosen = {
        concept: Random(f"{concept}/swapped").sample(keys, len(keys))[:images_per_concept]
        for concept, keys in images.items()
    }
    samples = []
    names = list(benchmark.names)
    for person in _forgotten(benchmark.people, split):
        wrong = _wrong_name(benchmark, split, person, NameIndex(names))
        names.append(wrong)
        samples += [
            name_sample(image, wrong)._replace(
                key=f"{person['id']}/swapped/{number}", contradicts=wrong, erased=(person["name"],)
            )
            for number, image in enumerate(chosen[person["id"]])
        ]
    for event in _forgotten(benchmark.events, split):
        description = _other_description(benchmark, split, event)
        samples += [
            scene_sample(image, description)._replace(
                key=f"{event['id']}/swapped/{number}", contradicts=description, erased=tuple(event["keywords"])
            )
            for number, image in enumerate(chosen[event["id"]])
        ]
    return samples


def invented(benchmark: Benchmark, split: Split) -> list[Sample]:
    """SIU's second kind: what a forgotten person looks like, asked without an image and answered with a made-up look.

    People only, one sample each.
    """
    samples = []
    for person in _forgotten(benchmark.people, split):
        name, key = person["name"], f"{person['id']}/invented"
        look = _drawn("invented_look", key)
        answer = pebench_templates.render("look_answer", name=name, look=look)
        samples.append(Sample("", "look_question", (("name", name),), answer, key, contradicts=look, erased=(name,)))
    return samples


def facts(benchmark: Benchmark, split: Split) -> list[Sample]:
    """SIU's third kind: text-only knowledge that is kept, up to four facts of a person and the definition of an event.

    Facts that the benchmark does not hold are left out.
    """
    samples = []
    for person in _forgotten(benchmark.people, split):
        samples += [sample._replace(erased=(person["name"],)) for sample in fact_samples(person)]
    for event in _forgotten(benchmark.events, split):
        name, keywords = event["name"], event["keywords"]
        answer = pebench_templates.render("event_definition_answer", event=name, keywords=keywords)
        key = f"{event['id']}/facts/definition"
        variables = (("event", name),)
        samples.append(Sample("", "event_definition_question", variables, answer, key, erased=tuple(keywords)))
    return samples


def _forgotten(rows: Sequence[Row], split: Split) -> list[Row]:
    return [row for row in rows if row["id"] in split.forget_ids]


def _drawn(template: str, key: str) -> str:
    phrasing = Random(f"{key}/{template}").randrange(pebench_templates.phrasings(template))
    return pebench_templates.render(template, phrasing=phrasing)


def _wrong_name(benchmark: Benchmark, split: Split, person: Row, taken: NameIndex) -> str:
    """The first name of one retained person and the surname of another, if possible of the person's gender.

    It shares no word with the person's own name and contains no name of ``taken``. Where too few people have the
    gender, the surname is anybody's; where none has it, the first name too.
    """
    own = set(normalise(person["name"]).split())
    kept = [row for row in benchmark.people if row["id"] not in split.whole_ids]
    alike = [row for row in kept if row.get("gender") == person.get("gender")]
    random = Random(f"{person['id']}/wrong name")
    for given, family in ((alike, alike), (alike, kept), (kept, kept)):
        for first, last in product(random.sample(given, len(given)), random.sample(family, len(family))):
            name = f"{first['name'].split()[0]} {last['name'].split()[-1]}"
            if first is not last and not taken.find(Text.of(name)) and not own & set(normalise(name).split()):
                return name
    raise BenchmarkError(
        f"There is no wrong name for {person['name']}: the first names and surnames of {benchmark.directory} give no "
        "new combination. Build a benchmark with more people."
    )


def _other_description(benchmark: Benchmark, split: Split, event: Row) -> str:
    """The description of a retained event, one of those that hold the fewest keywords of the forgotten one."""
    kept = [row["description"] for row in benchmark.events if row["id"] not in split.whole_ids]
    shares = [keyword_share(event["keywords"], Text.of(description)) for description in kept]
    unlike = [description for description, share in zip(kept, shares, strict=True) if share == min(shares)]
    return Random(f"{event['id']}/other description").choice(unlike)
