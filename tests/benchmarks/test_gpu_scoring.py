"""The program for a GPU runs on the CPU at no size; nothing here is timed."""

import json
import sys
from pathlib import Path
from typing import Any

import gpu_scoring
import pytest
import torch


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    for name in ("PEBENCH_DATA", "PEBENCH_FORGET", "PEBENCH_GOAL", "PEBENCH_RETAIN"):
        monkeypatch.setenv(name, "")  # the program sets them


def test_both_backends_answer_names_scenes_and_the_mix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = "--tiny --documents 4 --name_tokens 2 --scene_tokens 3 --repeats 1 --no_drafts"
    monkeypatch.setattr(sys, "argv", ["gpu_scoring.py", *options.split(), "--profile", str(tmp_path)])
    gpu_scoring.main()
    printed: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    rows = printed["gpu_scoring"]
    backends = ["pebench_hf, batch auto", "llava_hf, batch 1"]
    assert [(row["set"], row["backend"], row["documents"]) for row in rows] == [
        (name, backend, documents)
        for name, documents in (("names", 4), ("scenes", 4), ("mix", 8))
        for backend in backends
    ]
    for row in rows:
        assert row["documents/s"] > 0
        assert row["peak GiB"] is None
    assert {row["times llava_hf"] for row in rows if row["backend"] == backends[1]} == {1.0}
    assert (printed["tokens of a name"], printed["tokens of a scene"], printed["drafts"]) == (2, 3, False)
    for backend in ("pebench_hf", "llava_hf"):
        assert "aten::mm" in (tmp_path / f"{backend}.txt").read_text()


def test_without_a_gpu_it_says_so_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_scoring.py"])
    with pytest.raises(SystemExit, match="no CUDA device"):
        gpu_scoring.main()
