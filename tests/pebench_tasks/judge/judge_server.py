"""An OpenAI-compatible server on localhost that misbehaves as it is told."""

import json
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

TRIAL = "rowing boat"  # words that only the trial question holds
Answer = Callable[["Handler", dict[str, Any]], None]


class Request(NamedTuple):
    """One request as the server saw it."""

    path: str
    headers: dict[str, str]  # names in lower case
    body: dict[str, Any]
    at: float  # seconds

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def is_trial(self) -> bool:
        return TRIAL in self.prompt


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the answer whose turn it is."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    judge: "JudgeServer"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.judge.begin(Request(self.path, headers, body, time.monotonic()))(self, body)
        self.judge.end()

    def send(self, status: int, body: bytes, headers: Mapping[str, str] = {}) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


class JudgeServer(ThreadingHTTPServer):
    """Gives ``answers`` to the judgements in turn, then ``then`` for ever; ``trial`` answers the trial question."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *answers: Answer, then: Answer | None = None, trial: Answer | None = None) -> None:
        super().__init__(("127.0.0.1", 0), type("Bound", (Handler,), {"judge": self}))
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.then = then or says("4")
        self.trial = trial or says("4")
        self._answers = list(answers)
        self._at_once = 0
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def judgements(self) -> list[Request]:
        """The requests other than the trial question."""
        return [request for request in self.requests if not request.is_trial]

    def begin(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            if request.is_trial:
                return self.trial
            return self._answers.pop(0) if self._answers else self.then

    def end(self) -> None:
        with self._lock:
            self._at_once -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what some tests are about."""
        self.end()

    def __exit__(self, *args: Any) -> None:
        self.shutdown()
        super().__exit__(*args)


def completion(content: Any, finish: str = "stop", logprobs: Any = None, **message: Any) -> bytes:
    """The body of a chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish,
        "logprobs": logprobs,
    }
    return json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()


def logprobs(token: str, alternatives: Mapping[str, float]) -> dict[str, Any]:
    """Probabilities at one token, in the form of the API."""
    top = [{"token": name, "logprob": math.log(p), "bytes": None} for name, p in alternatives.items()]
    return {"content": [{"token": token, "logprob": math.log(alternatives[token]), "top_logprobs": top}]}


def says(content: Any, finish: str = "stop", **more: Any) -> Answer:
    """A reply; one digit alone comes with probabilities of which it has all."""
    if isinstance(content, str) and len(content) == 1 and "logprobs" not in more:
        more["logprobs"] = logprobs(content, {content: 0.999999, "the": 1e-6})
    return lambda handler, _: handler.send(200, completion(content, finish, **more))


def weighs(token: str, **alternatives: float) -> Answer:
    """A reply with these probabilities: ``weighs("4", _3=0.25, _4=0.75)``."""
    return says(token, logprobs=logprobs(token, {name.strip("_"): p for name, p in alternatives.items()}))


def fails(status: int, message: str = "no", headers: Mapping[str, str] = {}, **error: Any) -> Answer:
    """An error in the form of the API."""
    body = json.dumps({"error": {"message": message, **error}}).encode()
    return lambda handler, _: handler.send(status, body, headers)


def raw(body: bytes, status: int = 200) -> Answer:
    """Any bytes at all."""
    return lambda handler, _: handler.send(status, body)


def slow(seconds: float, answer: Answer) -> Answer:
    """The answer, late."""

    def late(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(seconds)
        answer(handler, body)

    return late


def resets(handler: Handler, body: dict[str, Any]) -> None:
    """Break the connection off."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def drips(handler: Handler, body: dict[str, Any]) -> None:
    """Send a byte now and then, longer than any patience of the tests, and break off."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        time.sleep(0.02)
    resets(handler, body)


def takes_only(*names: str, answer: Answer, by: str = "param") -> Answer:
    """Refuse the first setting that is not among ``names``, naming it as a field or only in the text."""

    def choosy(handler: Handler, body: dict[str, Any]) -> None:
        for name in body:
            if name not in (*names, "messages", "model"):
                if by == "param":  # and a text that names the others too
                    fails(400, f"Not all of {', '.join(body)} are supported.", param=name)(handler, body)
                else:
                    fails(400, f"Unsupported parameter: '{name}' is not supported.")(handler, body)
                return
        answer(handler, body)

    return choosy


def echoes(status: int) -> Answer:
    """Send back all that the client said of itself: address, headers and what they hold."""

    def echo(handler: Handler, body: dict[str, Any]) -> None:
        said = f"{handler.path} {dict(handler.headers.items())}"
        handler.send(status, completion(said) if status == 200 else json.dumps({"error": {"message": said}}).encode())

    return echo
