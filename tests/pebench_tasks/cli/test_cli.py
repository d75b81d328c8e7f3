import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pebench_tasks.benchmark.choosing import choose_benchmark
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.cli import main


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("PEBENCH_DATA", raising=False)


def test_build_writes_a_folder_and_says_what_comes_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "data"
    words = f"data build --source synthetic --people 4 --events 3 --image-size 32 --seed 0 --out {out}"
    assert main(words.split()) == 0
    printed = capsys.readouterr().out
    assert "12 images" in printed
    assert f"pebench data use {out}" in printed.replace("\n", " ")


def test_show_writes_a_picture_and_prints_the_counts(
    benchmark: Benchmark, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "sheet.png"
    assert main(["data", "show", str(benchmark.directory), "--forget", "20", "--out", str(picture)]) == 0
    printed = capsys.readouterr().out
    forgotten = benchmark.manifest["splits"]["person"]["forget20"]["names"]
    assert all(name in printed for name in forgotten)
    with Image.open(picture) as image:
        assert image.format == "PNG"
        assert len(image.convert("RGB").getcolors(1 << 20) or []) > 100


def test_use_makes_a_folder_the_default(benchmark: Benchmark) -> None:
    assert main(["data", "use", str(benchmark.directory)]) == 0
    assert choose_benchmark()[0] == benchmark.directory.resolve()


@pytest.mark.parametrize(
    "words",
    [
        "data show NOWHERE",
        "data use NOWHERE",
        "data build --source synthetic --people 1 --out NOWHERE",
    ],
)
def test_bad_input_is_one_line_and_exit_code_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    assert main(words.replace("NOWHERE", str(tmp_path / "nowhere")).split()) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert not (tmp_path / "nowhere").exists()


def test_using_a_bad_folder_keeps_the_old_default(benchmark: Benchmark, tmp_path: Path) -> None:
    main(["data", "use", str(benchmark.directory)])
    assert main(["data", "use", str(tmp_path)]) == 1
    assert choose_benchmark()[0] == benchmark.directory.resolve()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from pebench_tasks.cli import main\n"
        "try: main(['score', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'datasets', 'lmms_eval', 'pyarrow', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
