"""A real OpenAI-compatible server with a real model behind it: ``transformers serve``."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serve(checkpoint: Path, log: Path, *, patience: int) -> Iterator[str]:
    """The address of a server of ``checkpoint``, on a port of its own; ``patience`` is how many quarter seconds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "transformers"
    command = [program, "serve", checkpoint, "--port", str(port), "--device", "cpu"]
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w") as written:
        server = subprocess.Popen(command, stdout=written, stderr=written, env=environ)
        try:
            _wait(f"http://localhost:{port}/health", server, patience)
            yield f"http://localhost:{port}/v1"
        finally:
            server.terminate()
            server.wait(timeout=20)


def _wait(url: str, server: "subprocess.Popen[bytes]", patience: int) -> None:
    for _ in range(patience):
        assert server.poll() is None, "transformers serve ended"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.25)
    raise AssertionError(f"{url} did not answer")
