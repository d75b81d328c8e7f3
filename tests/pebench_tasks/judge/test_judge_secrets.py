"""No key, password or query of the judge's address ever leaves the request: no log, no error, no record, no file."""

import base64
import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from judge_server import Answer, JudgeServer, echoes, fails, raw, resets, says, slow
from judges import KEY, SCENE, judge_of

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.address import read_address
from pebench_tasks.judge.prompt import retain_prompt

LOGIN, PASSWORD, QUERY = "user-SECRET", "pass@SECRET", "query/SECRET=="
TROUBLES = [
    says("4"), echoes(200), echoes(400), echoes(401), echoes(403), echoes(404), echoes(422), echoes(429), echoes(500),
    echoes(302), fails(418, KEY * 20), raw(b"SECRET"), resets, slow(2.0, says("4")),
]  # fmt: skip


def hidden(text: str) -> bool:
    """Whether no secret, in no spelling, is in the text."""
    encoded = [base64.b64encode(word.encode()).decode().rstrip("=") for word in (f"{LOGIN}:{PASSWORD}", KEY)]
    return not any(word in text for word in ("SECRET", *encoded))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that anybody logs, at debug level."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    names = ("openai", "httpx2", "httpcore2", "tenacity")
    levels = [logging.getLogger(name).level for name in names]
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)
    for name, before in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(before)


@pytest.mark.parametrize("place", ["trial", "judgement"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_secret_gets_out(
    trouble: Answer, place: str, log: io.StringIO, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with JudgeServer(then=trouble, trial=trouble if place == "trial" else None) as server:
        address = f"{quote(LOGIN)}:{quote(PASSWORD)}@{server.address}"
        url = f"http://{address}/v1?api-version=1&code={quote(QUERY, safe='')}"
        judge = judge_of(server, tmp_path / "cache", OPENAI_BASE_URL=url)
        said = [repr(judge), repr(judge._endpoint.address)]
        try:
            said += [repr(judge.judge(retain_prompt(*SCENE[:2], "A lake."))), repr(judge.facts())]
        except BenchmarkError:
            said.append(traceback.format_exc())
        said += [repr(judge.retain(*SCENE[:2], "A hall.")), judge.stopped_by]
        judge.close()
        # They did reach the server.
        sent = server.requests[0]
        assert sent.path.endswith("?api-version=1&code=query%2FSECRET%3D%3D")
        assert base64.b64decode(sent.headers["authorization"].split()[1]).decode() == f"{LOGIN}:{PASSWORD}"
        assert sent.headers["api-key"] == KEY
    assert "HTTP Request: POST" in log.getvalue() or trouble is resets or place == "trial"
    printed = capfd.readouterr()
    assert all(hidden(text) for text in [*said, log.getvalue(), printed.out, printed.err])
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert all(hidden(path.read_bytes().decode("latin-1")) for path in files)


def test_a_quote_is_cleaned_before_it_is_cut() -> None:
    address = read_address({"OPENAI_API_KEY": KEY})
    assert address.clean(f"Bearer {KEY}!") == "Bearer ***!"


def test_an_address_that_is_refused_is_not_quoted() -> None:
    for url in (f"ftp://me:{PASSWORD}@host/v1", f"{PASSWORD}", f"http://me:{PASSWORD}@host:port/v1"):
        with pytest.raises(BenchmarkError) as refused:
            read_address({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url})
        assert hidden(str(refused.value))


def test_a_key_that_no_header_can_hold_is_refused_unseen() -> None:
    for key in (f"{KEY}\u2026", f"{KEY}\nX: y"):
        with pytest.raises(BenchmarkError) as refused:
            read_address({"OPENAI_API_KEY": key})
        assert hidden(str(refused.value))
