"""An OpenAI-compatible server on localhost that looks at the images it gets and answers as it is told."""

import base64
import hashlib
import io
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from PIL import Image


class Asked(NamedTuple):
    """One request as the server got it."""

    question: str
    image: Image.Image | None
    media_type: str
    body: dict[str, Any]
    authorization: str

    @property
    def pixels(self) -> str:
        """A fingerprint of what the image shows."""
        return fingerprint(self.image) if self.image else ""


Reply = Callable[["ModelServer", "Asked"], tuple[int, Any]]  # HTTP status, and the text or the error


def fingerprint(image: Image.Image) -> str:
    """Equal for images of equal size and pixels."""
    return hashlib.sha256(f"{image.size}".encode() + image.convert("RGB").tobytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: "ModelServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, said = self.model.reply(self.model, self.model.take(body, self.headers.get("Authorization", "")))
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "message": message, "finish_reason": "stop" if said is not None else "length"}
        tokens = self.model.tokens
        usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens} if tokens else None
        answer = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        sent = json.dumps({**answer, "usage": usage} if status == 200 else {"error": {"message": said}}).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)
        except OSError:
            pass  # the client did not wait
        finally:
            self.model.done()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


class ModelServer(ThreadingHTTPServer):
    """Answers every request with ``reply``; keeps what it was asked.

    ``tokens``: how many it says that each answer took; 0: it does not say.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, reply: Reply, tokens: int = 3) -> None:
        super().__init__(("127.0.0.1", 0), type("Bound", (_Handler,), {"model": self}))
        self.reply, self.tokens = reply, tokens
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def take(self, body: dict[str, Any], authorization: str) -> Asked:
        """One more request."""
        question, image, media_type = "", None, ""
        for part in body["messages"][-1]["content"]:
            if part["type"] == "text":
                question += part["text"]
            else:
                head, _, data = part["image_url"]["url"].partition(";base64,")
                media_type = head.removeprefix("data:")
                image = Image.open(io.BytesIO(base64.b64decode(data)))
                image.load()
        asked = Asked(question, image, media_type, body, authorization)
        with self._lock:
            self.asked.append(asked)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        return asked

    def done(self) -> None:
        """One request less."""
        with self._lock:
            self._at_once -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what some tests are about."""

    def __exit__(self, *args: Any) -> None:
        self.shutdown()
        super().__exit__(*args)
