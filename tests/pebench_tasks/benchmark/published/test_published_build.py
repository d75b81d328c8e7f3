"""From a copy to a benchmark folder: the same bytes, all or nothing, resumable, and usable by every later stage."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFile
from replica import EVENTS, FULL, PEOPLE, make_images, picture, write_table
from rich.console import Console

from pebench_tasks.benchmark.contact_sheet import contact_sheet
from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.published import parts
from pebench_tasks.benchmark.published.build import build_published
from pebench_tasks.benchmark.reading import TABLES, Benchmark, file_sha256, open_benchmark
from pebench_tasks.benchmark.splits import TARGETS
from pebench_tasks.cli import main
from pebench_tasks.errors import BenchmarkError
from unlearn.data.sets import build_sets, everything, lacks

MANY = [*PEOPLE, "Gus Hill", "Hana Mori", "Ivan Petrov", "Jo Klein"]


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / f"{name}.parquet").read_bytes() for name in TABLES}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    write_table(folder, make_images(folder, people=MANY), FULL)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """A benchmark of six people whose images have descriptions of their own; one image is missing, facts unknown."""
    folder = tmp_path_factory.mktemp("published")
    rows = make_images(folder / "copy", people=MANY)
    (folder / "copy" / "Dana Lee" / "02.jpg").unlink()
    rows = [row for row in rows if row["relative"] != "Dana Lee/02.jpg"]
    header = {"img": "{relative}", "who": "{person}", "what": "{event}", "text": "{caption}"}
    write_table(folder / "copy", rows, header)
    return build_published(folder / "data", folder=folder / "copy", console=Console(file=io.StringIO()))


def test_stored_bytes_are_the_files_bytes(copy: Path, tmp_path: Path) -> None:
    benchmark = build_published(tmp_path / "data", folder=copy)
    people = {row["id"]: row["name"] for row in benchmark.people}
    rows = pq.read_table(tmp_path / "data" / "images.parquet").to_pylist()
    assert len(rows) == 50
    for row in rows:
        content = (copy / row["image"]["path"]).read_bytes()
        assert row["image"]["bytes"] == content
        assert row["bytes_sha256"] == hashlib.sha256(content).hexdigest()
        assert row["image"]["path"].split("/")[0] == people[row["person"]]
    assert "description" not in rows[0]


def test_the_same_copy_elsewhere_gives_the_same_tables_and_fingerprint(copy: Path, tmp_path: Path) -> None:
    first = build_published(tmp_path / "one", folder=copy)
    moved = copy.rename(tmp_path / "moved")
    for path in moved.rglob("*.jpg"):
        os.utime(path, (1, 1))
    again = build_published(tmp_path / "two", folder=moved)
    assert tables(first.directory) == tables(again.directory)
    assert first.fingerprint == again.fingerprint


def test_another_seed_gives_other_splits_of_the_same_data(copy: Path, tmp_path: Path) -> None:
    one, two = (build_published(tmp_path / str(seed), folder=copy, seed=seed) for seed in (0, 1))
    assert one.fingerprint == two.fingerprint
    assert one.split("person", 20).split_id != two.split("person", 20).split_id


def test_building_again_keeps_the_same_and_refuses_another(copy: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    first = build_published(out, folder=copy)
    before = (out / "manifest.json").stat().st_mtime_ns
    assert build_published(out, folder=copy).fingerprint == first.fingerprint
    assert (out / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(BenchmarkError, match=r"another benchmark \(seed: 0 there, 3 asked\)"):
        build_published(out, folder=copy, seed=3)
    assert build_published(out, folder=copy, columns="image=img").fingerprint == first.fingerprint  # read alike
    table = (copy / "PEBench.csv").read_text("utf-8")
    (copy / "PEBench.csv").write_text(table.replace("giraffe", "zebra"), "utf-8")
    with pytest.raises(BenchmarkError, match="other texts, people or files"):
        build_published(out, folder=copy)
    (copy / "PEBench.csv").write_text(table, "utf-8")
    changed = copy / "Dana Lee" / "02.jpg"
    changed.write_bytes(changed.read_bytes()[:-3] + b"\0\xff\xd9")  # the same size
    with pytest.raises(BenchmarkError, match=r"another benchmark \(image Dana Lee/02\.jpg\)"):
        build_published(out, folder=copy)


def test_a_folder_that_is_no_benchmark_is_left_alone(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(BenchmarkError, match="not a benchmark folder"):
        build_published(tmp_path / "mine", folder=copy)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_a_corrupt_image_is_skipped_and_reported(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = copy / "Dana Lee" / "02.jpg"
    broken.write_bytes(broken.read_bytes()[:300])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as lmms-eval sets it
    (copy / "Jo Klein" / "03.jpg").write_text("<html>not found</html>")
    (copy / "Gus Hill" / "04.jpg").write_bytes(picture("other", ".png"))  # decodes, whatever it is called
    output = io.StringIO()
    benchmark = build_published(tmp_path / "data", folder=copy, console=Console(file=output, width=200))
    assert len(benchmark.images) == 48
    reading = benchmark.manifest["reading"]
    skipped = {"an image that cannot be decoded": {"count": 2, "first": ["Dana Lee/02.jpg", "Jo Klein/03.jpg"]}}
    assert reading["skipped"] == skipped
    assert reading["holes"] == {"count": 2, "first": ["Dana Lee, zoo visit", "Jo Klein, boat trip"]}
    assert "2 x an image that cannot be decoded, such as Dana Lee/02.jpg, Jo Klein/03.jpg" in output.getvalue()
    assert "Dana Lee/02.jpg" in (tmp_path / "data" / "README.md").read_text()


def test_an_image_that_no_processor_takes_is_named_and_a_transparent_one_is_what_a_viewer_shows(
    copy: Path, tmp_path: Path
) -> None:
    narrow, clear = copy / "Dana Lee" / "02.jpg", copy / "Jo Klein" / "03.jpg"
    Image.new("RGB", (700, 3)).save(narrow, "PNG")
    Image.new("RGBA", (16, 16), (255, 0, 0, 0)).save(clear, "PNG")
    output = io.StringIO()
    benchmark = build_published(tmp_path / "data", folder=copy, console=Console(file=output, width=200))
    assert "1 x an image too narrow for an image processor, such as Dana Lee/02.jpg" in output.getvalue()
    (key,) = [row["key"] for row in benchmark.images if row["bytes_sha256"] == file_sha256(clear)]
    assert benchmark.image(key).getpixel((0, 0)) == (255, 255, 255)


def test_too_many_corrupt_images_are_refused(copy: Path, tmp_path: Path) -> None:
    for name in MANY[:3]:
        (copy / name / "02.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(BenchmarkError, match=r"3 of 50 .* 3 x an image that cannot be decoded"):
        build_published(tmp_path / "data", folder=copy)
    assert not (tmp_path / "data").exists()


def test_a_file_that_disappears_is_skipped(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = parts.store_parts

    def after_unlinking(*arguments: object) -> object:
        (copy / "Dana Lee" / "02.jpg").unlink()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("pebench_tasks.benchmark.published.build.store_parts", after_unlinking)
    benchmark = build_published(tmp_path / "data", folder=copy)
    (reason,) = benchmark.manifest["reading"]["skipped"]
    assert reason == "an image that cannot be read (No such file or directory)"


def test_an_interrupted_build_goes_on_where_it_was(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = build_published(tmp_path / "whole", folder=copy)
    decode, decoded = parts.why_unusable, list[bytes]()

    def interrupt(content: bytes) -> str:
        decoded.append(content)
        if len(decoded) > 30:
            raise KeyboardInterrupt
        return decode(content)

    monkeypatch.setattr(parts, "why_unusable", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_published(tmp_path / "data", folder=copy)
    assert not (tmp_path / "data").exists()
    done = {path.name[:4] for path in (tmp_path / "data.partial" / "parts").glob("*.parquet")}
    assert len(done) >= 4
    changed = whole.people[int(min(done)[1:])]["name"]
    os.utime(copy / changed / "01.jpg", (1, 1))  # this person's part is made again
    decoded.clear()
    monkeypatch.setattr(parts, "why_unusable", lambda content: decoded.append(content) or decode(content))
    build_published(tmp_path / "data", folder=copy)
    assert len(decoded) == 5 * (len(MANY) - len(done) + 1)
    assert tables(tmp_path / "data") == tables(whole.directory)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data", "whole"]


def test_a_killed_build_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    copy, out = tmp_path / "copy", tmp_path / "data"
    rows = make_images(copy)
    for number, row in enumerate(rows):
        (copy / row["relative"]).write_bytes(picture(str(number), ".png", 400))
    write_table(copy, rows, FULL)
    code = "from pebench_tasks.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "data", "build", "--source", "folder", "--path", copy, "--out", out]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list((tmp_path / "data.partial" / "parts").glob("*.parquet")):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert tables(out) == tables(build_published(tmp_path / "whole", folder=copy).directory)


def test_the_report_says_what_was_read_as_what(copy: Path, tmp_path: Path) -> None:
    output = io.StringIO()
    build_published(tmp_path / "data", folder=copy, console=Console(file=output, width=200))
    printed = output.getvalue()
    for part in (
        "PEBench.csv: 50 rows (utf-8, commas); 60 image files",
        '"img": paths of the image files, such as "Aaliyah Khan/01.jpg"',
        '"who": names the folders, such as "Aaliyah Khan"',
        '"what": 5 values that every person has about once, names of the paper',
        '"text": texts that tell the events apart',
        "10 people x 5 events: 50 images",
        "10 x an image without a row, such as Aaliyah Khan/portrait.jpg",
        "nothing but the name",
    ):
        assert part in printed


def test_the_command_builds_and_says_what_comes_next(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "data"
    assert main(["data", "build", "--source", "folder", "--path", str(copy), "--out", str(out)]) == 0
    assert f"pebench data use {out}" in capsys.readouterr().out.replace("\n", " ")
    assert main(["data", "show", str(out)]) == 0
    assert (out / "contact_sheet.png").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--source folder", "--source folder needs --path DIR"),
        ("--source folder --path x --people 4", "--people means nothing with --source folder"),
        ("--source hub --path x", "--path means nothing with --source hub"),
        ("--source synthetic --world x", "--world means nothing with --source synthetic"),
        ("--source folder --path x --revision main", "--revision means nothing with --source folder"),
    ],
)
def test_options_of_another_source_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str, message: str
) -> None:
    assert main(["data", "build", *words.split(), "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err


# What later stages need


def test_own_descriptions_are_asked_and_trained(published: Benchmark) -> None:
    (dana,) = [row["id"] for row in published.people if row["name"] == "Dana Lee"]
    (boat,) = [row["id"] for row in published.events if row["name"] == "boat trip"]
    expected = f"{EVENTS['boat trip']} Leaves fall."
    assert published.description(f"{dana}/{boat}") == expected
    answers = {s.answer for s in everything(published) if s.image == f"{dana}/{boat}"}
    assert answers == {"This is Dana Lee.", expected}


def test_a_hole_is_in_no_split_and_no_document(published: Benchmark) -> None:
    (dana,) = [row["id"] for row in published.people if row["name"] == "Dana Lee"]
    (zoo,) = [row["id"] for row in published.events if row["name"] == "zoo visit"]
    hole = f"{dana}/{zoo}"
    for target in TARGETS:
        split = published.split(target, 20)
        assert hole not in {*split.train, *split.test, *split.retain, *split.retain_eval}
        assert all(doc["image"] != hole for doc in documents(published, target, 20, retain_all=True))


@pytest.mark.parametrize("target", TARGETS)
def test_every_set_of_every_method_can_be_built(published: Benchmark, target: str) -> None:
    split = published.split(target, 20)
    names = ["everything", "remaining", "forget", "retain", "refusal", "choices", "swapped"]
    if target != "person":
        names.append("facts")  # of events; nothing is known of these people
    assert build_sets(published, names, split=split).keys() == set(names)
    assert lacks("facts", published, split) == (target == "person")


def test_the_contact_sheet_leaves_a_hole_empty(published: Benchmark) -> None:
    assert contact_sheet(published, "forget20").size[0] > 500


def test_a_published_folder_is_verified_like_any_other(published: Benchmark) -> None:
    manifest = json.loads((published.directory / "manifest.json").read_text())
    assert manifest["source"] == "folder"
    assert manifest["reading"]["columns"]["image"]["column"] == "img"
    assert open_benchmark(published.directory).fingerprint == manifest["fingerprint"]
    with Image.open(
        io.BytesIO(pq.read_table(published.directory / "images.parquet")["image"][0]["bytes"].as_py())
    ) as i:
        assert i.format == "JPEG"


# Other sources beside the images


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    folder = tmp_path / "figures"
    folder.mkdir()
    lines = ["file_name,name,description"]
    for number, name in enumerate(("Ada Lovelace", "dana lee", "Alan Turing")):
        (folder / f"{number}.jpg").write_bytes(picture(name))
        lines.append(f"{number}.jpg,{name},Somebody looks at the camera.")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


def test_public_figures_named_like_a_person_are_left_out(copy: Path, figures: Path, tmp_path: Path) -> None:
    benchmark = build_published(tmp_path / "data", folder=copy, real=str(figures))
    assert [row["name"] for row in benchmark.real] == ["Ada Lovelace", "Alan Turing"]
    assert benchmark.manifest["real_report"]["left_out_named_like_a_person"] == ["dana lee"]
    assert benchmark.image(benchmark.real[0]["key"]).size == (16, 16)


def test_an_unreadable_source_is_named_and_nothing_is_built(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="neither a path on this machine nor a dataset"):
        build_published(tmp_path / "data", folder=copy, world=str(tmp_path / "nowhere" / "pope"))
    assert not (tmp_path / "data").exists()
