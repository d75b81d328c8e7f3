import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from PIL import Image

import unlearn.__main__
import unlearn.demo
import unlearn.table1
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


OFFERED: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "unlearn": (unlearn.__main__.main, []),
    "finetune": (unlearn.__main__.main, ["--method", "finetune"]),
    "goal": (unlearn.__main__.main, ["--method", "goal"]),
    "demo": (unlearn.demo.main, []),
    "table1": (unlearn.table1.main, []),
}


def ended(call: Callable[[list[str]], int], words: list[str]) -> int | str | None:
    """The exit code of a command."""
    try:
        return call(words)
    except SystemExit as stop:
        return stop.code


def test_pebench_lists_the_commands_of_unlearn(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(main, ["--help"]) == 0
    listed = capsys.readouterr().out.partition("commands:")[2]
    for name in OFFERED:
        module = name if name in ("demo", "table1") else ""
        assert re.search(rf"^    {name}\s[^:]+: python -m unlearn{'.' * bool(module)}{module}\b", listed, re.MULTILINE)


@pytest.mark.parametrize("more", [["--help"], ["--no_such_option", "1"]])
@pytest.mark.parametrize("name", OFFERED)
def test_commands_of_unlearn_are_those_of_its_modules(
    name: str, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    call, words = OFFERED[name]
    codes, texts = [], []
    for command, begun in ((main, [name]), (call, words)):
        codes.append(ended(command, [*begun, *more]))
        texts.append(capsys.readouterr())
    assert codes[0] == codes[1]
    assert texts[0] == texts[1]
    assert (codes[0] == 0) == (more == ["--help"])


def test_finetune_without_a_word_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune"]) == 0
    assert "--method" in capsys.readouterr().out


def test_a_command_with_a_method_takes_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--method", "npo"], ["--method=npo"]):
        assert main(["finetune", *words, "--model", "m", "--data", "d", "--output_dir", "o"]) == 1
        assert "pebench finetune has its method" in capsys.readouterr().err


def test_commands_of_another_package_are_beside_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that has the name of ours is passed over, one that cannot be loaded is listed with what went wrong."""
    offered = {"score": "builtins:len", "stranger": "builtins:len", "broken": "no_such_module:main"}
    points = [EntryPoint(name, place, "pebench.commands") for name, place in offered.items()]
    monkeypatch.setattr("pebench_tasks.cli.entry_points", lambda group: points)
    assert main(["stranger"]) == 0  # the number of its words
    assert ended(main, ["--help"]) == 0
    listed = capsys.readouterr().out.partition("commands:")[2]
    assert re.search(r"^    broken\s+cannot be loaded \(ModuleNotFoundError\)$", listed, re.MULTILINE)
    assert ended(main, ["score"]) == 2


def test_our_commands_do_not_look_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pebench_tasks.cli.entry_points", None)
    assert ended(main, ["mark", "--help"]) == ended(main, ["data", "--help"]) == 0
