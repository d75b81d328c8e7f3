"""Build PEBench-Synthetic into a benchmark folder: draw, encode and write it, all or nothing."""

import hashlib
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image
from rich.progress import Progress

from pebench_tasks.benchmark.reading import MATCHED, Benchmark, open_benchmark
from pebench_tasks.benchmark.splits import RATIOS, Plan, forget_count, make_plan
from pebench_tasks.benchmark.synthetic.compose import MARGIN, compose
from pebench_tasks.benchmark.synthetic.events import EVENTS, STAND_INS, Event
from pebench_tasks.benchmark.synthetic.objects import draw_objects, plan_world, plan_world_pretrain
from pebench_tasks.benchmark.synthetic.profiles import Person, sample_figures, sample_matched, sample_people
from pebench_tasks.benchmark.synthetic.scenes import draw_scene
from pebench_tasks.benchmark.synthetic.snapshots import ZOOM, draw_snapshot
from pebench_tasks.benchmark.writing import finish, matched_entry, placement, schemas, write_images, write_rows
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.machine import end_with_parent, usable_cores

GENERATOR_VERSION = 2
MOST_FIGURES, MOST_SNAPSHOTS = 30, 60  # to pre-train on: public figures, and pictures of each outside stand-in scenes
RUN_LENGTHS = 3  # zlib's Z_RLE: a quarter faster here than its default strategy, and files of the same size
DATA_CARD = Path(__file__).parent / "data_card.jinja"
Row = dict[str, Any]

SCHEMAS = schemas("rgb_sha256")


def build_synthetic(
    out: Path | str, *, people: int, events: int, image_size: int, seed: int, matched: int | None = None
) -> Benchmark:
    """Draw ``people`` x ``events`` images, ``image_size`` px square, and everything around them into ``out``.

    ``matched`` people more are drawn in the same events, for membership tests: nothing is ever trained on them, and the
    rest of the folder is the same whatever their number. By default they are as many as ``forget20`` forgets: the test
    compares the two groups, and a larger one would take longer to draw without telling much more.

    The folder appears only when it is complete. A folder that already holds the same benchmark is kept and opened, with
    the matched people that it has unless a number is asked for; any other existing folder is refused. Raises
    ``BenchmarkError`` for sizes out of range.
    """
    out = Path(out)
    _check_sizes(people, events, image_size, matched or 0)
    request = {
        "source": "synthetic",
        "generator_version": GENERATOR_VERSION,
        "seed": seed,
        "people": people,
        "events": events,
        "image_size": image_size,
    }
    if out.exists():
        return _open_same(out, request, matched)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial_folder = out.with_name(f"{out.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)
    partial_folder.mkdir()
    try:
        _write(partial_folder, request, forget_count(RATIOS["forget20"], people) if matched is None else matched)
        os.replace(partial_folder, out)
    except BaseException:
        shutil.rmtree(partial_folder, ignore_errors=True)
        raise
    return open_benchmark(out)


def _check_sizes(people: int, events: int, image_size: int, matched: int) -> None:
    for label, value, low, high in (
        ("--people", people, 4, 200),
        ("--events", events, 3, len(EVENTS)),
        ("--image-size", image_size, 32, 1024),
        ("--matched", matched, 0, people),
    ):
        if not low <= value <= high:
            raise BenchmarkError(f"{label} must lie between {low} and {high}, not {value}.")


def _open_same(out: Path, request: Row, matched: int | None) -> Benchmark:
    benchmark = open_benchmark(out)
    existing = {key: benchmark.manifest.get(key) for key in request}
    if matched is not None:
        request, existing = {**request, MATCHED: matched}, {**existing, MATCHED: len(benchmark.matched_people)}
    if existing != request:
        differ = ", ".join(
            f"{k}: {existing[k]} there, {request[k]} asked" for k in request if existing[k] != request[k]
        )
        raise BenchmarkError(f"{out} already holds another benchmark ({differ}). Choose another --out or delete it.")
    return benchmark


def _write(folder: Path, request: Row, matched: int) -> None:
    seed, size = request["seed"], request["image_size"]
    people = sample_people(request["people"], seed)
    asked = max(10, len(people) // 10)
    figures = sample_figures(max(asked, min(MOST_FIGURES, 3 * len(people) // 2)), seed, people)
    unseen = sample_matched(matched, seed, [*people, *figures])
    snapshots = min(MOST_SNAPSHOTS, 3 * len(people))
    events, places = EVENTS[: request["events"]], (*EVENTS[request["events"] :], *STAND_INS)
    plan = make_plan([p.id for p in people], [e.id for e in events], seed)
    per_split = min(500, max(100, 4 * len(people)))
    world = _world_jobs(plan_world(per_split, seed), "eval") + _world_jobs(plan_world_pretrain(600, seed), "pretrain")
    tables: dict[str, list[Row]] = {
        "people": [_person_row(person) for person in people],
        "events": [_event_row(event) for event in events],
    }
    for name, rows in tables.items():
        write_rows(folder / f"{name}.parquet", SCHEMAS[name], rows)
    with (
        ProcessPoolExecutor(
            min(usable_cores(), 8), mp_context=get_context("fork"), initializer=end_with_parent
        ) as pool,
        Progress() as bar,
    ):
        work: list[tuple[str, Callable[[Any], list[Row]], list[Any]]] = [
            ("images", partial(_person_images, events, plan, size, seed), people),
            (
                "real",
                partial(_figure_images, places, snapshots, size, seed),
                [(figure, number < asked) for number, figure in enumerate(figures)],
            ),
            ("world", partial(_world_images, size, seed), [world[i : i + 50] for i in range(0, len(world), 50)]),
        ]
        for name, draw, jobs in work:
            progress = bar.add_task(f"Drawing {name}", total=len(jobs))
            batches = _advance(pool.map(draw, jobs), partial(bar.advance, progress))
            tables[name] = write_images(folder / f"{name}.parquet", SCHEMAS[name], batches)
        entry = _write_matched(folder / MATCHED, unseen, pool.map(partial(_scene_images, events, size, seed), unseen))
    finish(folder, "PEBench-Synthetic", {**request, MATCHED: entry}, tables, plan, DATA_CARD)


def _write_matched(folder: Path, people: list[Person], images: Iterable[list[Row]]) -> Row | None:
    """The group of people on whom nothing is ever trained; returns what the manifest says of it."""
    if not people:
        return None
    folder.mkdir()
    rows = [_person_row(person) for person in people]
    write_rows(folder / "people.parquet", SCHEMAS["people"], rows)
    shown = write_images(folder / "images.parquet", SCHEMAS[MATCHED], images)
    return matched_entry(folder, {"people": rows, "images": shown})


def _advance(batches: Iterable[list[Row]], step: Callable[[], None]) -> Iterator[list[Row]]:
    for batch in batches:
        step()
        yield batch


def _encode(image: Image.Image) -> Row:
    """The stored form of an image: lossless PNG, and the hash of its pixels, which no encoder can change."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1, compress_type=RUN_LENGTHS)
    return {
        "rgb_sha256": hashlib.sha256(image.tobytes()).hexdigest(),
        "image": {"bytes": buffer.getvalue(), "path": None},
    }


@cache
def _scene(event: Event, size: int, zoom: float = MARGIN) -> Image.Image:
    """The scenery of an event, a little larger than the picture so that it can be shifted; drawn once per process."""
    return draw_scene(event.name, round(size * zoom))


def _person_images(events: tuple[Event, ...], plan: Plan, size: int, seed: int, person: Person) -> list[Row]:
    return [{**row, **placement(row["key"], plan)} for row in _scene_images(events, size, seed, person)]


def _scene_images(events: tuple[Event, ...], size: int, seed: int, person: Person) -> list[Row]:
    """The person in every event."""
    rows = []
    for event in events:
        key = f"{person.id}/{event.id}"
        image = compose(_scene(event, size), person.look, size, Random(f"{seed}/{key}"))
        rows.append({"key": key, "person": person.id, "event": event.id, **_encode(image)})
    return rows


def _figure_images(
    places: tuple[Event, ...], snapshots: int, size: int, seed: int, job: tuple[Person, bool]
) -> list[Row]:
    """A public figure in many places without a description, to pre-train on.

    Those that evaluation asks about stand in every stand-in scene as well: four pictures of each to pre-train on, four
    in all to evaluate.
    """
    figure, asked = job
    rng = Random(f"{seed}/{figure.id}")
    scenes = [("pretrain", event) for _ in range(4) for event in STAND_INS] if asked else []
    scenes += [("eval", event) for event in rng.sample(STAND_INS, 4)] if asked else []
    rows = []
    trained: set[str] = set()
    for number, (part, event) in enumerate(scenes):
        encoded = _encode(compose(_scene(event, size), figure.look, size, rng))
        while part == "eval" and encoded["rgb_sha256"] in trained:  # small pictures vary little: draw again
            encoded = _encode(compose(_scene(event, size), figure.look, size, rng))
        trained.add(encoded["rgb_sha256"])
        rows.append({
            "key": f"{figure.id}/{number:02d}", "figure": figure.id, "name": figure.name,
            "description": event.description, "keywords": list(event.keywords), "part": part, **encoded,
        })  # fmt: skip
    for number in range(snapshots):
        picture = draw_snapshot(_scene(rng.choice(places), size, ZOOM), figure.look, size, rng)
        rows.append({
            "key": f"{figure.id}/s{number:02d}", "figure": figure.id, "name": figure.name,
            "description": "", "keywords": [], "part": "pretrain", **_encode(picture),
        })  # fmt: skip
    return rows


def _world_jobs(questions: Iterable[Any], part: str) -> list[Row]:
    """One job per image, with all of its questions."""
    jobs: dict[str, Row] = {}
    for question in questions:
        key = f"{'w' if part == 'eval' else 'v'}{question.image:04d}"
        job = jobs.setdefault(key, {"key": key, "part": part, "kinds": question.kinds, "questions": []})
        job["questions"].append({"object": question.object, "truth": question.truth, "split": question.split})
    return list(jobs.values())


def _world_images(size: int, seed: int, jobs: list[Row]) -> list[Row]:
    rows = []
    for job in jobs:
        image = draw_objects(job["kinds"], size, Random(f"{seed}/{job['key']}"))
        rows.append({"key": job["key"], "part": job["part"], "questions": job["questions"], **_encode(image)})
    return rows


def _person_row(person: Person) -> Row:
    return {name: getattr(person, name) for name in SCHEMAS["people"].names}


def _event_row(event: Event) -> Row:
    return {"id": event.id, "name": event.name, "keywords": list(event.keywords), "description": event.description}
