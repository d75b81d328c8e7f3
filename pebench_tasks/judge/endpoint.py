"""An OpenAI-compatible server: one request, patience with what passes, and no secret ever out of here."""

import email.utils
import json
import logging
import random
import re
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.address import WITHOUT_QUERY, read_address

if TYPE_CHECKING:  # the extra [judge]
    import openai

PASSING = {408, 409, 425, 429}  # and everything from 500
SETTING = {400, 403, 404, 422, 501}  # what servers answer to a setting that they, or this key, may not take
TOO_LONG = re.compile(r"context.length|maximum context|prompt is too long", re.I)  # how servers without codes say it
LARGEST_BODY = 4_000_000  # bytes; an answer with 20 alternatives a token has some thousands
EXTRA = "The judge needs two more packages:  pip install 'pebench[judge]'"


class Patience(NamedTuple):
    """How long one request is pursued; seconds."""

    attempts: int = 6
    first_wait: float = 1.0  # doubles with every attempt; the wait is a random part of it
    longest_wait: float = 60.0
    longest_asked_wait: float = 300.0  # a server that asks for more (Retry-After) is given up
    timeout: float = 120.0


DEFAULT = Patience()


class Refused(Exception):
    """The server takes no request with this parameter."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter, self.message = parameter, message


class Declined(Exception):
    """The server takes no request with this prompt (a content filter, its length)."""


class TooLong(Declined):
    """The prompt and the room for its answer are more than the model can hold."""


class GivenUp(Exception):
    """No answer, in spite of all patience."""


class _Passing(Exception):
    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Endpoint:
    """Chat completions of one model on one server. Safe for threads."""

    def __init__(self, model: str, environ: Mapping[str, str], patience: Patience = DEFAULT) -> None:
        try:
            import openai
            import tenacity  # noqa: F401 (said here, before anything is asked)
        except ImportError:
            raise BenchmarkError(EXTRA) from None
        address = read_address(environ)
        self.model = model
        self.address = address
        self._patience = patience
        self._stop = threading.Event()
        logging.getLogger("httpx2").addFilter(WITHOUT_QUERY)
        self._client = openai.OpenAI(
            api_key=address.key,
            base_url=address.url,
            default_headers=address.headers,
            default_query=address.query,
            max_retries=0,
            timeout=patience.timeout,
            http_client=openai.DefaultHttpxClient(follow_redirects=False),
        )

    def close(self) -> None:
        """Give up what is waiting and close the connections."""
        self._stop.set()
        self._client.close()

    def ask(self, prompt: str, settings: Mapping[str, Any]) -> bytes:
        """The body of the answer to one prompt.

        Raises ``Refused``, ``Declined``, ``GivenUp``, or ``BenchmarkError`` for what will not pass.
        """
        import tenacity

        backoff = tenacity.wait_random_exponential(
            multiplier=self._patience.first_wait, max=self._patience.longest_wait
        )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.wait if isinstance(error, _Passing) else None
            return backoff(state) if asked is None else asked + random.uniform(0, self._patience.first_wait)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            wait=wait,
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self._patience.attempts), tenacity.stop_when_event_set(self._stop)
            ),
            sleep=tenacity.sleep_using_event(self._stop),
            reraise=True,
        )
        try:
            return retrying(self._attempt, prompt, settings)
        except _Passing as error:
            raise GivenUp(str(error)) from None

    def _attempt(self, prompt: str, settings: Mapping[str, Any]) -> bytes:
        import httpx2
        import openai

        if self._stop.is_set():
            raise GivenUp("closed")
        deadline = time.monotonic() + self._patience.timeout
        body = b""
        try:
            with self._client.chat.completions.with_streaming_response.create(
                model=self.model, messages=[{"role": "user", "content": prompt}], **settings
            ) as response:
                for part in response.iter_bytes():
                    body += part
                    if len(body) > LARGEST_BODY:
                        return b""  # no chat completion
                    if time.monotonic() > deadline:
                        raise _Passing("timeout")
        except (openai.APITimeoutError, httpx2.TimeoutException):
            raise _Passing("timeout") from None
        except openai.APIStatusError as error:
            raise self._status(error, settings) from None
        except (openai.APIConnectionError, httpx2.HTTPError):
            raise _Passing("connection") from None
        return body

    def _status(self, error: "openai.APIStatusError", settings: Mapping[str, Any]) -> Exception:
        """What an answer with an error status means."""
        status, code = error.status_code, str(error.code)
        said = f"HTTP {status} from {self.address.host}"
        if message := self._message(error):
            said += f", {message}"
        if code == "insufficient_quota":
            return BenchmarkError(
                f"The judge's account has no credit left ({said}). Top it up; nothing is asked twice."
            )
        refused = _named(error, settings) if status in SETTING else None
        if status in PASSING or (status >= 500 and not refused):
            wait = _retry_after(error.response.headers)
            if wait is not None and wait > self._patience.longest_asked_wait:
                return GivenUp(f"HTTP {status}, asks to wait {wait:.0f} s")
            return _Passing(f"HTTP {status}", wait)
        if status == 400 and code in ("content_filter", "content_policy_violation"):
            return Declined("refused by a content filter")
        if status == 413 or (status == 400 and (code == "context_length_exceeded" or TOO_LONG.search(said))):
            return TooLong("too long for the judge")
        if refused:
            return Refused(refused, said)
        hint = {
            401: "Check OPENAI_API_KEY.",
            403: "Check OPENAI_API_KEY and what it is allowed to use.",
            404: f"Check the model's name ({self.model}) and OPENAI_BASE_URL (it mostly ends in /v1).",
        }.get(status, "Check OPENAI_BASE_URL and the model.")
        if 300 <= status < 400:
            hint = "Set OPENAI_BASE_URL to the address that it redirects to; redirects are not followed."
        return BenchmarkError(f"The judge refuses: {said}. {hint}")

    def _message(self, error: "openai.APIStatusError") -> str:
        body = error.body
        text = body.get("message") or body.get("detail") if isinstance(body, dict) else None
        text = self.address.clean(" ".join(str(text).split())) if text else ""
        return text if len(text) <= 200 else f"{text[:200]}..."


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait: a number, or a date (RFC 9110); None without a usable wish."""
    asked = headers.get("retry-after", "").strip()
    try:
        if re.fullmatch(r"\d+(\.\d+)?", asked):
            return float(asked)
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _named(error: "openai.APIStatusError", settings: Mapping[str, Any]) -> str | None:
    """Which of the settings an error is about: the one it names as such, otherwise the first that its text names."""
    if error.param in settings:
        return error.param
    text = json.dumps(error.body) if error.body else ""
    words = {name: rf"(?<![\w-]){name}(?![\w-])" for name in settings}  # the model seed-oss is no seed
    places = {name: match.start() for name, word in words.items() if (match := re.search(word, text, re.I))}
    return min(places, key=lambda name: places[name], default=None)
