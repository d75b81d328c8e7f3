import hashlib
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import RATIOS, TARGETS
from pebench_tasks.benchmark.synthetic import build
from pebench_tasks.benchmark.synthetic.build import build_synthetic
from pebench_tasks.errors import BenchmarkError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.*")}


def test_the_same_command_gives_the_same_bytes(benchmark: Benchmark, tmp_path: Path) -> None:
    again = build_synthetic(tmp_path / "again", people=4, events=3, image_size=32, seed=0)
    assert contents(again.directory) == contents(benchmark.directory)


def test_another_seed_gives_other_people_and_another_fingerprint(benchmark: Benchmark, tmp_path: Path) -> None:
    other = build_synthetic(tmp_path / "other", people=4, events=3, image_size=32, seed=1)
    assert other.fingerprint != benchmark.fingerprint
    assert {row["name"] for row in other.people} != {row["name"] for row in benchmark.people}


def test_the_manifest_holds_what_every_stage_needs(benchmark: Benchmark) -> None:
    manifest = json.loads((benchmark.directory / "manifest.json").read_text())
    assert {"source", "seed", "people", "events", "image_size", "splits", "fingerprint", "licence"} <= manifest.keys()
    for target in TARGETS:
        for ratio in RATIOS:
            entry = manifest["splits"][target][ratio]
            assert len(entry["ids"]) == len(entry["names"]) > 0
            assert entry["split_id"] == benchmark.split(target, ratio).split_id


def test_stored_pixels_are_the_hashed_pixels(benchmark: Benchmark) -> None:
    for row in pq.read_table(benchmark.directory / "images.parquet").to_pylist():
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        assert image.format == "PNG"
        assert hashlib.sha256(image.convert("RGB").tobytes()).hexdigest() == row["rgb_sha256"]


def test_no_evaluated_stand_in_image_is_pretrained_on(benchmark: Benchmark) -> None:
    for table in ("real", "world"):
        rows = pq.read_table(benchmark.directory / f"{table}.parquet").to_pylist()
        pixels = {part: {row["rgb_sha256"] for row in rows if row["part"] == part} for part in ("eval", "pretrain")}
        assert pixels["eval"]
        assert pixels["pretrain"]
        assert not pixels["eval"] & pixels["pretrain"]


def test_the_data_card_names_the_licence_and_the_limits(benchmark: Benchmark) -> None:
    card = (benchmark.directory / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert "says nothing about large models" in card.replace("say nothing", "says nothing").replace("\n", " ")
    assert benchmark.fingerprint in card


def test_building_again_keeps_the_same_and_refuses_another(benchmark: Benchmark) -> None:
    same = build_synthetic(benchmark.directory, people=4, events=3, image_size=32, seed=0)
    assert same.fingerprint == benchmark.fingerprint
    with pytest.raises(BenchmarkError, match=r"another benchmark \(seed: 0 there, 7 asked\)"):
        build_synthetic(benchmark.directory, people=4, events=3, image_size=32, seed=7)


def test_a_folder_that_is_no_benchmark_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(BenchmarkError, match="not a benchmark folder"):
        build_synthetic(tmp_path / "mine", people=4, events=3, image_size=32, seed=0)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_an_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_synthetic(tmp_path / "out", people=4, events=3, image_size=32, seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((3, 3, 32), "--people must lie between 4 and 200, not 3"),
        ((4, 41, 32), "--events must lie between 3 and 40, not 41"),
        ((4, 3, 16), "--image-size must lie between 32 and 1024, not 16"),
    ],
)
def test_sizes_out_of_range_are_refused(tmp_path: Path, sizes: tuple[int, int, int], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        build_synthetic(tmp_path / "out", people=sizes[0], events=sizes[1], image_size=sizes[2], seed=0)
