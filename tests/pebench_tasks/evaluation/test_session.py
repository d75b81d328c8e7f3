"""What is kept between two calls of the harness, and for how long."""

from pathlib import Path

import pytest

from pebench_tasks import harness
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.choice import choose
from pebench_tasks.evaluation.session import session
from pebench_tasks.judge.judge import Judge

JUDGED = {"PEBENCH_JUDGE": "openai:some-model", "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}


@pytest.fixture
def data(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("PEBENCH_DATA", str(benchmark.directory))
    return {"PEBENCH_DATA": str(benchmark.directory)}


def asked() -> str:
    return str(harness.people(None)[0]["forget"])  # type: ignore[arg-type]


def test_a_program_chooses_whatever_the_environment_says(data: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEBENCH_FORGET", "20")
    with session.chosen(choose({**data, "PEBENCH_FORGET": "10"})):
        for _ in range(2):  # once for each checkpoint, as the plugin does
            session.select(["pebench_people"])
            session.next_model()
            assert asked() == "forget10"
    assert asked() == "forget20"


def test_the_environment_is_read_anew_when_tasks_are_selected(
    data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    session.select(["pebench_people"])
    monkeypatch.setenv("PEBENCH_FORGET", "20")
    assert asked() == "forget05"
    session.select(["pebench_people"])
    assert asked() == "forget20"


def test_no_run_outlives_its_command(data: dict[str, str]) -> None:
    with session.chosen(choose(data)):
        asked()
        assert session.run.choice.forget == "forget05"
    with pytest.raises(BenchmarkError, match="were not built by this process"):
        _ = session.run


def test_a_judge_is_closed_with_its_command(
    data: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Judge] = []
    monkeypatch.setattr(Judge, "close", lambda judge: closed.append(judge))
    choice = choose({**data, **JUDGED, "PEBENCH_JUDGE_CACHE": str(tmp_path)})
    with session.chosen(choice):
        assert closed == []
    assert closed == [choice.judge]


def test_what_was_chosen_is_said_once(data: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    session.select(["pebench_people", "pebench_events"])
    asked()
    assert capsys.readouterr().err.count("forget set: forget05") == 1


def test_an_image_that_several_documents_ask_about_is_decoded_once(
    data: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each gets a copy, which a backend may write into."""
    session.select(["pebench_people"])
    session.next_model()
    document = harness.people(None)[0]  # type: ignore[arg-type]
    decoded: list[str] = []
    image = session.run.benchmark.image
    monkeypatch.setattr(session.run.benchmark, "image", lambda key: decoded.append(key) or image(key))
    (first,) = harness.people_image(document)
    first.paste((1, 2, 3), (0, 0, *first.size))
    (second,) = harness.people_image(document)
    assert decoded == [document["image"]]
    assert second.tobytes() == image(document["image"]).tobytes() != first.tobytes()
