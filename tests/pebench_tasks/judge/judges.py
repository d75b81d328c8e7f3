"""Judges for tests: the real client, its waits in milliseconds."""

from pathlib import Path

from judge_server import JudgeServer

from pebench_tasks.judge.endpoint import Patience
from pebench_tasks.judge.judge import Judge, choose_judge

KEY = "sk-SECRET-0123456789abcdef"
PATIENCE = Patience(attempts=3, first_wait=0.002, longest_wait=0.01, longest_asked_wait=60, timeout=1.5)
SCENE = ("Describe the scene in detail.", "A lake at dawn.", "A crowded market.")  # question, truth, Goal's answer


def judge_of(server: JudgeServer, cache: Path, **environ: str) -> Judge:
    """A judge that asks ``server`` and keeps what it says in ``cache``."""
    judge = choose_judge(
        {
            "PEBENCH_JUDGE": "openai:some/model",
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"http://{server.address}/v1",
            "PEBENCH_JUDGE_CACHE": str(cache),
            **environ,
        },
        PATIENCE,
    )
    assert judge is not None
    return judge
