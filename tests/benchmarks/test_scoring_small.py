"""The program runs at no size; nothing here is timed."""

import json
import sys
from pathlib import Path

import pytest
import scoring_small
import torch


def test_every_variant_answers_alike_and_shared_questions_take_fewer_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Eight questions about four images, two each, 16 image tokens; in bfloat16 near ties may differ."""
    threads = torch.get_num_threads()
    options = "--tiny --questions 8 --images 4 --tokens 4 --batch_size 4 --repeats 1 --threads 1"
    words = [*options.split(), "--profile", str(tmp_path), "--out", str(tmp_path / "found.md")]
    monkeypatch.setattr(sys, "argv", ["scoring_small.py", *words])
    scoring_small.main()
    torch.set_num_threads(threads)
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["scoring_small"]
    found = {row["variant"]: row for row in rows}
    assert list(found) == list(scoring_small.VARIANTS)
    assert [row["equal texts"] for row in rows[:4]] == [8] * 4
    assert found["both"]["GFLOP a document"] < found["before"]["GFLOP a document"]
    assert "| both | 4 |" in (tmp_path / "found.md").read_text()
    assert len(list(tmp_path.glob("*.txt"))) == len(rows)
