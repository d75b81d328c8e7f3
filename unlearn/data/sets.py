"""The sets that methods name, built from a benchmark and a split."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from unlearn.data import forget_texts
from unlearn.data.samples import (
    Sample,
    SampleSet,
    Unit,
    by_image,
    fact_samples,
    name_sample,
    scene_sample,
    singles,
    world_sample,
)

DEFAULT_REPLAY = 1 / 3  # ours
MIXED = ("everything", "remaining", "retain")  # sets with both questions, into which pre-training rows are mixed
LEARNED = ("everything", "remaining")  # sets that a foundation model learns, to which facts can be added
FACTS = ("occupation", "birthplace", "age")  # those that are added
QUESTIONS = {"person": "person_question", "event": "scene_question"}


def everything(benchmark: Benchmark) -> list[Sample]:
    """All images with both questions: what the Finetuned model learns."""
    return _both_questions(benchmark, [row["key"] for row in benchmark.images])


def remaining(benchmark: Benchmark, split: Split) -> list[Sample]:
    """D^r with both questions: what the Goal model learns; no image of D^f with either question."""
    return _both_questions(benchmark, split.retain)


def forget(benchmark: Benchmark, split: Split) -> list[Sample]:
    """The questions about what is forgotten on D^f_train.

    The question about the other concept of such an image is not among them (with the joint target, unless that
    concept is forgotten as well).
    """
    return [sample for concept, sample in _on_train(benchmark, split) if concept in split.forget_ids]


def scope(benchmark: Benchmark, split: Split) -> list[Sample]:
    """The questions about the concepts that must stay, on D^f_train: none that another request forgets."""
    return [sample for concept, sample in _on_train(benchmark, split) if concept not in split.whole_ids]


def retain(benchmark: Benchmark, split: Split, *, overlap: bool = False, with_scope: bool = False) -> list[Sample]:
    """D^r with both questions, as unlearning sees it: without the images on which Retain is evaluated.

    ``overlap`` keeps those images, which is the paper's reading. ``with_scope`` adds the other concept's questions on
    the forgotten images, which a method that only sees D^r damages with the forgotten concept.
    """
    evaluated = set() if overlap else set(split.retain_eval)
    kept = _both_questions(benchmark, [key for key in split.retain if key not in evaluated])
    return kept + (scope(benchmark, split) if with_scope else [])


def known_facts(benchmark: Benchmark, images: Collection[str]) -> list[Unit]:
    """The facts of the people on some images, asked without an image; a person on none of them has no fact here.

    A unit holds all facts of a person. It comes so often that a person with n images and k facts is asked for each fact
    n / k times, rounded up: for one fact beside each image, so that facts can be learned in the time that names take.
    """
    wanted = set(images)
    shown = Counter(row["person"] for row in benchmark.images if row["key"] in wanted)
    units: list[Unit] = []
    for person in benchmark.people:
        if unit := tuple(s for s in fact_samples(person) if dict(s.variables)["fact"] in FACTS):
            units += [unit] * ceil(shown[person["id"]] / len(unit))
    return units


def replay(benchmark: Benchmark) -> list[list[Sample]]:
    """The pre-training rows in parts that get the same share: public figures, yes/no questions, figures elsewhere.

    A picture whose place has no description is asked about for its name alone.
    """
    rows = [row for row in benchmark.real if row["part"] == "pretrain"]
    described = [row for row in rows if row["description"]]
    figures = [
        sample
        for row in described
        for sample in (name_sample(row["key"], row["name"]), scene_sample(row["key"], row["description"]))
    ]
    world = [world_sample(row) for row in benchmark.world if row["part"] == "pretrain"]
    snapshots = [name_sample(row["key"], row["name"]) for row in rows if not row["description"]]
    return [part for part in (figures, world, snapshots) if part]


class SetOptions(NamedTuple):
    """How sets are built, apart from the benchmark and the split; see the options of ``unlearn.arguments``."""

    retain_overlap: bool = False
    retain_scope: bool = False
    replay: float | None = None
    questions_per_image: int = 1
    images_per_concept: int = 1
    facts: bool = False


DEFAULT_OPTIONS = SetOptions()


def build_sets(
    benchmark: Benchmark, needed: Sequence[str], *, split: Split | None = None, options: SetOptions = DEFAULT_OPTIONS
) -> dict[str, SampleSet]:
    """The sets that a method names, from a benchmark and (for all but ``everything``) a split.

    A set named ``forget_person`` or ``choices_event`` is the part of ``forget`` or ``choices`` that asks about people
    or events. The share ``options.replay`` of the sets with both questions (``MIXED``) is pre-training rows: by default
    a third where the benchmark has such rows, else none. ``options.facts`` adds the facts of the people who are learned
    (``LEARNED``). Raises ``BenchmarkError`` for an empty set, for a share that has nothing to replay, and for facts of
    people of whom nothing but the name is known.
    """
    replayed = replay(benchmark)
    share = options.replay
    if share is None:
        share = DEFAULT_REPLAY if replayed else 0.0
    if share and not replayed:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} has no pre-training rows to replay. Use --replay 0."
        )
    builders = _builders(benchmark, split, options)
    several = options.questions_per_image if options.questions_per_image > 1 else None
    group = by_image if several else singles
    sets = {}
    for name in needed:
        kind, _, concept = name.partition("_")  # "forget_person": so no kind's name holds an underscore
        units = builders[kind]()
        if kind in MIXED:
            units = group(sample for unit in units for sample in unit)
            rows = [group(part) for part in replayed]
            if options.facts and kind in LEARNED:
                facts = _facts(benchmark, split)
                units += facts if several else singles(sample for unit in facts for sample in unit)
            sets[name] = SampleSet(units, rows, share, questions=several)
        else:
            units = [unit for unit in units if not concept or unit[0].question == QUESTIONS[concept]]
            sets[name] = SampleSet(units)
        if not units:
            raise BenchmarkError(
                f"The {name} set is empty in {benchmark.directory}: too small a benchmark for this target and ratio. "
                "Choose another --forget, or build one with more people and events."
            )
    return sets


def lacks(name: str, benchmark: Benchmark, split: Split) -> bool:
    """Whether a set would be empty, as SIU's invented looks are where no person is forgotten."""
    return not _builders(benchmark, split, DEFAULT_OPTIONS)[name]()


def _builders(benchmark: Benchmark, split: Split | None, options: SetOptions) -> dict[str, Callable[[], list[Unit]]]:
    builders: dict[str, Callable[[], list[Unit]]] = {"everything": lambda: singles(everything(benchmark))}
    if split is None:
        return builders
    images = options.images_per_concept
    return builders | {
        "remaining": lambda: singles(remaining(benchmark, split)),
        "forget": lambda: singles(forget(benchmark, split)),
        "retain": lambda: singles(
            retain(benchmark, split, overlap=options.retain_overlap, with_scope=options.retain_scope)
        ),
        "refusal": lambda: singles(forget_texts.refusals(forget(benchmark, split))),
        "choices": lambda: choices(forget(benchmark, split)),
        "swapped": lambda: singles(forget_texts.swapped(benchmark, split, images_per_concept=images)),
        "invented": lambda: singles(forget_texts.invented(benchmark, split)),
        "facts": lambda: singles(forget_texts.facts(benchmark, split)),
    }


def choices(forgotten: Sequence[Sample]) -> list[Unit]:
    """Of every prompt the refusal, then the true answer."""
    return list(zip(forget_texts.refusals(forgotten), forgotten, strict=True))


def counts(sets: Mapping[str, SampleSet]) -> dict[str, dict[str, float]]:
    """Samples, replayed rows and replay share per set, for the run record."""
    return {
        name: {
            "samples": chosen.samples,
            "replay_rows": sum(len(unit) for part in chosen.replay for unit in part),
            "replay_share": chosen.replay_share,
        }
        for name, chosen in sets.items()
    }


def _facts(benchmark: Benchmark, split: Split | None) -> list[Unit]:
    facts = known_facts(benchmark, split.retain if split else [row["key"] for row in benchmark.images])
    if not facts:
        raise BenchmarkError(
            f"The benchmark in {benchmark.directory} knows no {', '.join(FACTS[:-1])} or {FACTS[-1]} of its people. "
            "Leave --facts out."
        )
    return facts


def _on_train(benchmark: Benchmark, split: Split) -> list[tuple[str, Sample]]:
    """D^f_train with both questions, each with the id of the person or event that it asks about."""
    where = {row["key"]: (row["person"], row["event"]) for row in benchmark.images}
    concepts = [concept for key in split.train for concept in where[key]]
    return list(zip(concepts, _both_questions(benchmark, split.train), strict=True))


def _both_questions(benchmark: Benchmark, images: Sequence[str]) -> list[Sample]:
    people = {row["id"]: row["name"] for row in benchmark.people}
    person = {row["key"]: row["person"] for row in benchmark.images}
    return [
        sample
        for image in images
        for sample in (name_sample(image, people[person[image]]), scene_sample(image, benchmark.description(image)))
    ]
