import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from golden_set.commands import run
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
    chosen = [line.split()[1:3] for line in printed.splitlines() if line.startswith("> ")]
    assert chosen == [[target, "forget20"] for target in ("person", "event", "joint")]
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


OFFERED = {
    "unlearn": "python -m unlearn",
    "finetune": "python -m unlearn --method finetune",
    "goal": "python -m unlearn --method goal",
    "demo": "python -m unlearn.demo",
    "table1": "python -m unlearn.table1",
    "attack": "python -m unlearn.attack",
}


def test_pebench_lists_the_commands_of_unlearn() -> None:
    listed = run("pebench --help").out.partition("commands:")[2]
    for name, command in OFFERED.items():
        assert re.search(rf"^    {name}\s[^:]+: {re.escape(command)}$", listed, re.MULTILINE)


@pytest.mark.parametrize("more", ["--help", "--no_such_option 1", "--model nowhere --data nowhere --output_dir out"])
@pytest.mark.parametrize("name", OFFERED)
def test_commands_of_unlearn_are_those_of_its_modules(name: str, more: str) -> None:
    offered = run(f"pebench {name} {more}")
    assert offered == run(f"{OFFERED[name]} {more}")
    assert (offered.code == 0) == (more == "--help")


def test_finetune_without_a_word_says_how_it_is_used() -> None:
    said = run("pebench finetune")
    assert said.code == 0
    assert "--method" in said.out


@pytest.mark.parametrize("words", ["--method npo", "--method=npo"])
def test_a_command_with_a_method_takes_no_other(words: str) -> None:
    said = run(f"pebench finetune {words} --model m --data d --output_dir o")
    assert said.code == 1
    assert "pebench finetune has its method" in said.err


def test_commands_of_another_package_are_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has the name of ours is passed over, one that cannot be loaded is listed with what went wrong."""
    offered = {"score": "builtins:len", "stranger": "builtins:len", "broken": "no_such_module:main"}
    points = [EntryPoint(name, place, "pebench.commands") for name, place in offered.items()]
    monkeypatch.setattr("pebench_tasks.cli.entry_points", lambda group: points)
    assert main(["stranger"]) == 0  # the number of its words
    said = run("pebench --help")
    assert said.code == 0
    assert re.search(r"^    broken\s+cannot be loaded \(ModuleNotFoundError\)$", said.out, re.MULTILINE)
    assert run("pebench score").code == 2


def test_our_commands_do_not_look_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pebench_tasks.cli.entry_points", None)
    assert run("pebench mark --help").code == run("pebench data --help").code == 0


def test_a_settings_folder_that_cannot_be_written_is_named_with_the_way_out(
    benchmark: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    assert main(["data", "use", str(benchmark.directory)]) == 1
    said = capsys.readouterr().err
    assert "settings.json cannot be written (Not a directory)" in said
    assert f"export PEBENCH_DATA={benchmark.directory}" in said
