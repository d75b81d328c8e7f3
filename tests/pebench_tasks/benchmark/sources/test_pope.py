"""POPE: a replica in the published layout, the fixed questions, and the stock task's figures on the same responses."""

import io
import random
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
from hub_server import serve
from hypothesis import given, settings
from hypothesis import strategies as st
from lmms_eval.tasks.pope import utils as stock
from PIL import Image, ImageDraw

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.sources.pope import SPLITS, choose_fixed, object_of, read_pope
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.marking.words import Text
from pebench_tasks.marking.yes_no import YesNo, read_answer, world_accuracy, world_f1, world_invalid_rate

Row = dict[str, Any]
OBJECTS = ["dining table", "person", "apple", "car", "umbrella", "hair drier"]


def picture(number: int) -> bytes:
    image = Image.new("RGB", (48, 32), (number * 37 % 256, number * 91 % 256, 120))
    ImageDraw.Draw(image).ellipse((5 + number % 20, 5, 25 + number % 20, 25), fill="white")
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return file.getvalue()


def rows_of_pope(images: int) -> list[Row]:
    """Six questions an image and split, three of them yes, one split after the other: the published order."""
    rows: list[Row] = []
    for split in ("adversarial", "popular", "random"):
        for number in range(images):
            for position, name in enumerate(OBJECTS):
                article = "an" if name[0] in "aeiou" else "a"
                rows.append(
                    {
                        "id": str(len(rows)),
                        "question_id": str(len(rows) % (6 * images) + 1),
                        "question": f"Is there {article} {name} in the image?",
                        "answer": ("yes", "no")[position % 2],
                        "image_source": f"COCO_val2014_{number:012d}",
                        "image": {"bytes": picture(number), "path": f"COCO_val2014_{number:012d}.jpg"},
                        "category": split,
                    }
                )
    return rows


def write(rows: list[Row], file: Path) -> Path:
    """Parquet as ``datasets`` writes it, with its image feature."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = datasets.Value("string")
    features = datasets.Features({name: datasets.Image() if name == "image" else text for name in rows[0]})
    datasets.Dataset.from_list(rows, features=features).to_parquet(file)
    return file


@pytest.fixture(scope="module")
def pope(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like ``lmms-lab/POPE``, with 8 images (144 rows) in two files."""
    folder = tmp_path_factory.mktemp("POPE")
    rows = rows_of_pope(8)
    write(rows[:100], folder / "data" / "test-00000-of-00002.parquet")
    write(rows[100:], folder / "data" / "test-00001-of-00002.parquet")
    for split in SPLITS:
        write([row for row in rows if row["category"] == split], folder / "Full" / f"{split}-00000-of-00001.parquet")
    return folder


def questions(rows: list[Row]) -> list[Row]:
    return [{"key": f"{row['key']}/{q['split']}/{q['object']}", **q} for row in rows for q in row["questions"]]


def test_each_image_comes_once_with_its_bytes_and_all_of_its_questions(pope: Path) -> None:
    reading = read_pope(str(pope))
    rows = list(reading)
    assert {row["image"]["bytes"] for row in rows} == {picture(number) for number in range(8)}
    assert rows[0]["image"]["path"].startswith("COCO_val2014_")
    assert [row["key"] for row in rows] == [f"w{number:04d}" for number in range(8)]
    assert {len(row["questions"]) for row in rows} == {18}
    assert reading.report == {
        "source": str(pope),
        "revision": "",
        "files": ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"],
        "images": 8,
        "questions": 144,
        "asked again": 0,
        "fixed": 144,
    }


def test_questions_are_those_of_the_stock_task_to_the_letter(pope: Path) -> None:
    asked = {q["question"] for q in questions(list(read_pope(str(pope))))}
    published = datasets.load_dataset(str(pope), data_files="data/*.parquet", split="train")
    plain = {"pre_prompt": "", "post_prompt": ""}
    assert asked == {stock.pope_doc_to_text(row, plain) for row in published.remove_columns("image")}


def test_question_keys_are_unique_and_do_not_depend_on_the_order_of_the_rows(pope: Path, tmp_path: Path) -> None:
    rows = rows_of_pope(8)
    random.Random(3).shuffle(rows)
    shuffled = write(rows, tmp_path / "shuffled.parquet")
    first, second = list(read_pope(str(pope))), list(read_pope(str(shuffled)))
    assert first == second
    assert len({q["key"] for q in questions(first)}) == 144


def test_the_documents_ask_what_the_stock_task_asks(benchmark: Benchmark, pope: Path) -> None:
    """One document a row, all of them on request, with POPE's words, truth and split; every key once."""
    tables = {name: getattr(benchmark, name) for name in ("people", "events", "images", "real")}
    rows = [{name: value for name, value in row.items() if name != "image"} for row in read_pope(str(pope))]
    with_pope = Benchmark(benchmark.directory, benchmark.manifest, tables | {"world": rows})
    asked = [row for row in documents(with_pope, "person", 5, world_all=True) if row["slice"] == "world"]
    published = datasets.load_dataset(str(pope), data_files="data/*.parquet", split="train").remove_columns("image")
    default = {"pre_prompt": "", "post_prompt": "\nAnswer the question using a single word or phrase."}
    assert Counter((row["category"], row["question"], row["answer"]) for row in asked) == Counter(
        (row["category"], stock.pope_doc_to_text(row, default), row["answer"]) for row in published
    )
    assert len({row["key"] for row in asked}) == len(asked) == 144


def test_the_folder_by_category_is_read_where_there_is_no_data_folder(pope: Path, tmp_path: Path) -> None:
    (tmp_path / "Full").symlink_to(pope / "Full")
    with pytest.raises(BenchmarkError, match="leads out of the folder"):
        read_pope(str(tmp_path))
    (tmp_path / "Full").unlink()
    (tmp_path / "Full").mkdir()
    for file in (pope / "Full").iterdir():
        (tmp_path / "Full" / file.name).write_bytes(file.read_bytes())
    assert list(read_pope(str(tmp_path))) == list(read_pope(str(pope)))


def test_from_the_hub_only_the_data_folder_is_downloaded(
    pope: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve({"lmms-lab/POPE": pope}) as hub:
        hub.use(monkeypatch, tmp_path)
        reading = read_pope("lmms-lab/POPE")
        assert list(reading) == list(read_pope(str(pope)))
        assert sorted(hub.downloads()) == ["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"]
        assert reading.report["revision"] == hub.commit("lmms-lab/POPE")


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Is there a dining table in the image?", "dining table"),
        ("Is there an Umbrella in the image?", "umbrella"),
        ("Is there a person in the imange?", "person"),
        ("Is there a tv  in the picture", "tv"),
        ("Are there two dogs?", "are there two dogs?"),
    ],
)
def test_the_object_is_what_the_question_asks_for(question: str, name: str) -> None:
    assert object_of(question) == name


def test_an_object_asked_for_twice_keeps_both_questions_under_two_keys(tmp_path: Path) -> None:
    rows = rows_of_pope(2)
    rows.append(rows[0] | {"id": "again"})
    reading = read_pope(str(write(rows, tmp_path / "twice.parquet")))
    keys = [q["key"] for q in questions(list(reading))]
    assert len(set(keys)) == len(keys) == 37
    assert sum("adversarial/dining table #2" in key for key in keys) == 1
    assert reading.report["asked again"] == 1


def candidates(images: int) -> list[tuple[str, str, str]]:
    """Three yes and three no questions about each image, as in a split of POPE."""
    return [(f"{i:064x}", f"object {o}", ("yes", "no")[o % 2]) for i in range(images) for o in range(6)]


def test_of_the_whole_test_set_each_image_has_one_fixed_question_a_split_and_half_are_yes() -> None:
    fixed = choose_fixed(candidates(500), "popular")
    assert len(fixed) == 500
    assert Counter(truth for _, _, truth in fixed) == {"yes": 250, "no": 250}
    assert set(Counter(image for image, _, _ in fixed).values()) == {1}


def test_fixed_questions_are_spread_over_the_images_as_evenly_as_can_be() -> None:
    fixed = choose_fixed(candidates(8), "random", count=20)
    assert Counter(truth for _, _, truth in fixed) == {"yes": 10, "no": 10}
    assert sorted(Counter(image for image, _, _ in fixed).values()) == [2, 2, 2, 2, 3, 3, 3, 3]


def test_fixed_questions_do_not_depend_on_the_order_and_differ_between_splits() -> None:
    shuffled = candidates(100)
    random.Random(0).shuffle(shuffled)
    assert choose_fixed(shuffled, "random", 50) == choose_fixed(candidates(100), "random", 50)
    assert choose_fixed(candidates(100), "popular", 50) != choose_fixed(candidates(100), "random", 50)


def test_fixed_questions_of_a_lopsided_split_are_half_yes_still() -> None:
    lopsided = [c for c in candidates(40) if c[2] == "no"] + [c for c in candidates(3) if c[2] == "yes"]
    assert Counter(truth for _, _, truth in choose_fixed(lopsided, "random")) == {"yes": 9, "no": 9}


def changed(tmp_path: Path, **change: Any) -> str:
    rows = rows_of_pope(2)
    rows[7] |= change
    return str(write(rows, tmp_path / "changed.parquet"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "maybe"}, r"row 8: .*'maybe'"),
        ({"category": "hard"}, r"row 8: category 'hard'"),
        ({"question": " "}, r"row 8: .*question ' '"),
        ({"image": {"bytes": picture(1)[:300], "path": None}}, r"row 8: the image cannot be used"),
        ({"image": None}, r"row 8, holds no image bytes"),
    ],
)
def test_a_row_that_is_not_of_pope_is_refused_by_its_number(tmp_path: Path, change: Row, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        list(read_pope(changed(tmp_path, **change)))


def test_a_missing_split_and_a_split_without_yes_are_refused(tmp_path: Path) -> None:
    rows = rows_of_pope(2)
    no_popular = write([row for row in rows if row["category"] != "popular"], tmp_path / "missing.parquet")
    with pytest.raises(BenchmarkError, match="the split 'popular' has 0 questions"):
        list(read_pope(str(no_popular)))
    only_no = [row for row in rows if row["category"] != "random" or row["answer"] == "no"]
    with pytest.raises(BenchmarkError, match="the split 'random' has 6 questions, none with the answer 'yes'"):
        list(read_pope(str(write(only_no, tmp_path / "no.parquet"))))


def test_what_is_not_pope_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="holds no Parquet files"):
        read_pope(str(tmp_path))
    rows = [{"question": "Why?", "image": {"bytes": picture(0), "path": None}}]
    with pytest.raises(BenchmarkError, match=r"lacks answer, category; it has question, image"):
        list(read_pope(str(write(rows, tmp_path / "vqa.parquet"))))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(BenchmarkError, match="cannot be read"):
        list(read_pope(str(tmp_path / "broken.parquet")))


def stock_figures(documents: list[tuple[str, str, str]]) -> tuple[float, float]:
    """The stock task's F1 (mean of the splits) and accuracy, in percent; documents are split, truth, response."""
    results = [
        (split, stock.pope_process_results({"question_id": "0", "answer": truth}, [response]))
        for split, truth, response in documents
    ]
    splits = {split for split, _ in results}
    f1 = [stock.pope_aggregate_f1_score([r["pope_f1_score"] for s, r in results if s == split]) for split in splits]
    return 100 * sum(f1) / len(f1), 100 * stock.pope_aggregate_accuracy([r["pope_accuracy"] for _, r in results])


def our_marks(documents: list[tuple[str, str, str]]) -> list[YesNo]:
    return [{"split": split, "truth": truth, "answer": read_answer(Text.of(text))} for split, truth, text in documents]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_f1_and_accuracy_are_the_stock_tasks_on_well_behaved_answers(data: st.DataObject) -> None:
    """Every split has a "yes" in truth, as in POPE: without, the stock F1 is 0 and ours may be 100."""
    answers = st.sampled_from(["yes", "no", "Yes", "No", " yes\n", "NO "])
    documents = [
        (split, truth, data.draw(answers))
        for split in SPLITS
        for truth in ["yes", *data.draw(st.lists(st.sampled_from(["yes", "no"]), max_size=12))]
    ]
    f1, accuracy = stock_figures(documents)
    marks = our_marks(documents)
    assert world_f1(marks) == pytest.approx(f1, abs=1e-9)
    assert world_accuracy(marks) == pytest.approx(accuracy, abs=1e-9)


def test_yes_with_a_full_stop_is_right_here_and_wrong_in_the_stock_task() -> None:
    """Ten of each truth, all answered right with a full stop: 100 here, 0 in the stock task, which knows no "yes."."""
    documents = [(split, truth, f"{truth.title()}.") for split in SPLITS for truth in ["yes", "no"] * 10]
    assert stock_figures(documents) == (0.0, 0.0)
    assert (world_f1(our_marks(documents)), world_accuracy(our_marks(documents))) == (100.0, 100.0)


def test_gibberish_in_place_of_every_no_leaves_the_stock_f1_at_100() -> None:
    """Ten yes answered "yes", ten no answered with gibberish.

    Stock: 10 true positives, nothing else counts: F1 100, accuracy 50. Ours: gibberish counts as the wrong "yes":
    precision 10/20, recall 1, F1 = 2 * 0.5 / 1.5 = 66.7 and an invalid rate of one half.
    """
    texts = {"yes": "yes", "no": "grblx"}
    documents = [(split, truth, texts[truth]) for split in SPLITS for truth in ["yes", "no"] * 10]
    assert stock_figures(documents) == (100.0, 50.0)
    marks = our_marks(documents)
    assert world_f1(marks) == pytest.approx(200 / 3)
    assert (world_accuracy(marks), world_invalid_rate(marks)) == (50.0, 0.5)


def test_memory_does_not_grow_with_the_repetitions(tmp_path: Path) -> None:
    """Row groups are read in small batches: the Parquet file is not held as Python objects."""
    import tracemalloc

    rows = rows_of_pope(3)
    noise = Image.effect_noise((700, 700), 90)
    file = io.BytesIO()
    noise.save(file, "PNG")
    for row in rows:
        row["image"]["bytes"] = file.getvalue() + row["image_source"].encode()  # bytes after the end are no harm
    source = str(write(rows, tmp_path / "large.parquet"))
    stored = len(file.getvalue()) * len(rows)
    assert stored > 15e6
    assert pq.read_metadata(source).num_rows == 54
    tracemalloc.start()
    assert sum(1 for _ in read_pope(source)) == 3
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.7 * stored
