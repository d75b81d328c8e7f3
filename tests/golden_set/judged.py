"""``pebench judge`` against a server on localhost that marks by the length of what it is asked."""

from pathlib import Path
from typing import Any

from judge_server import Handler, JudgeServer, says

from golden_set import masks
from golden_set.commands import succeed
from golden_set.scored import results

COMMAND = "pebench judge scores/gd --judge openai:m --data data --out judged"


def goldens() -> dict[str, str]:
    """The results files, and what was printed."""
    with JudgeServer(then=_mark) as server:
        said = succeed(f"OPENAI_BASE_URL=http://{server.address}/v1 OPENAI_API_KEY=k {COMMAND}")
    files = {"printed.txt": f"$ {COMMAND}\n{masks.text(said.out)}"}
    return files | {path.name: results(path) for path in sorted(Path("judged").rglob("*_results.json"))}


def _mark(handler: Handler, body: dict[str, Any]) -> None:
    says(str(1 + len(body["messages"][0]["content"]) % 5))(handler, body)
