"""The judge: a language model behind an OpenAI-compatible address that marks scene descriptions from 0 to 1.

``PEBENCH_JUDGE`` is ``lexical`` (the default: no judge), ``embedding:DIR`` (no language model either, see
``embedding``) or ``openai:MODEL``; the address and the key are the usual
``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``. What a judge said is kept on disk (``cache``).

Servers differ in what they take and return, and values that were made differently do not share a column. So before its
first judgement a judge is *settled*: one trial question finds out which settings the server takes and whether it
returns the probabilities of tokens; both are part of the fingerprint, kept on disk, and from then on fixed. The trial
shows the same text twice: a judge whose answer is no score, or a low one, is not asked anything else.

What a model fails at (no score, a refusal, an answer that was cut) is asked once a run, and again in the next.
"""

import hashlib
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pebench_templates import judge_fingerprint

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.cache import JudgeCache, cache_folder, key_of
from pebench_tasks.judge.endpoint import DEFAULT, Declined, Endpoint, GivenUp, Patience, Refused
from pebench_tasks.judge.prompt import (
    READING,
    SCALE,
    Broken,
    Malformed,
    efficacy_prompt,
    read_reply,
    retain_prompt,
    served_model,
)
from pebench_tasks.judge.settings import ASKED, Settled, Unfit, try_out
from pebench_tasks.marking.record import value_of
from pebench_tasks.marking.scenes import Judgement
from pebench_tasks.marking.similarity import EMBEDDING, LEXICAL

VARIABLE = "PEBENCH_JUDGE"
KNOWN = f"{LEXICAL}, {EMBEDDING}:DIR_or_hub_id, openai:MODEL"
CALLS_VARIABLE = "PEBENCH_MAX_JUDGE_CALLS"
CONCURRENCY_VARIABLE = "PEBENCH_JUDGE_CONCURRENCY"
CONCURRENCY = 4
GIVEN_UP = 5  # judgements in a row; then the server counts as down and nothing more is asked
BUDGET, DOWN = "budget", "the judge's server is down"
STOPPED = "the judge stopped"
FLEETING = (BUDGET, DOWN, STOPPED)  # why a response was not even asked about
LONGEST_NAME = 200  # characters of what a server may call its models


class Judge:
    """A judge; safe for threads, and several processes may share its cache.

    ``calls`` counts the questions asked of the server (the trial question too; further attempts at the same one are
    not counted), ``cached`` the judgements that took none, ``failed`` the judgements without a value.
    """

    def __init__(self, endpoint: Endpoint, cache: JudgeCache, *, max_calls: int | None, concurrency: int) -> None:
        self.model = endpoint.model
        self.max_calls = max_calls
        self.concurrency = concurrency
        self.calls = self.cached = self.failed = 0
        self._endpoint, self._cache = endpoint, cache
        self._settled: Settled | None = None
        self._served: set[str] = set()  # what the server called the models that answered
        self._failures: dict[str, dict[str, Any]] = {}  # by key: what the model failed at in this run
        self._stopped: BenchmarkError | None = None
        self._given_up_in_a_row = 0
        self._lock = threading.Lock()  # of the counters
        self._settling = threading.Lock()
        self._slots = threading.BoundedSemaphore(concurrency)
        self._same: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # by key: the same is asked once

    @property
    def fingerprint(self) -> str:
        """``openai:MODEL/`` and 8 hexadecimal digits over prompts, scale, and settings as the server takes them.

        Asks the trial question if this server was never asked: a wrong key, address or model is a ``BenchmarkError``.
        """
        settled = self._settle()
        sent = dict(settled.sent)
        room = {"max_tokens": sent.pop("max_completion_tokens")} if "max_completion_tokens" in sent else {}
        parts = [judge_fingerprint(), SCALE, READING, {**sent, **room}, settled.weighted]
        digits = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]
        return f"openai:{self.model}/{digits}"

    def facts(self) -> dict[str, Any]:
        """What a results file says about its judge: no address, no key.

        ``served`` is what the server itself called the models that answered the trial question and this run's.
        """
        settled = self._settle()
        with self._lock:
            served = sorted(filter(None, {settled.served, *self._served}))
        return {
            "fingerprint": self.fingerprint,
            "model": self.model,
            "served": self._endpoint.address.clean(", ".join(served))[:LONGEST_NAME],
            "settings": settled.sent,
            "not_taken": sorted(name for name in ASKED if name not in settled.sent),
            "probabilities": settled.weighted,
        }

    @property
    def down(self) -> bool:
        """Whether so many questions in a row got no answer that no more are asked."""
        return self._given_up_in_a_row >= GIVEN_UP

    @property
    def stopped_by(self) -> str:
        """What ended all asking, and what to do about it; empty while nothing has."""
        return str(self._stopped or "")

    def efficacy(self, question: str, truth: str, goal: str, response: str) -> Judgement:
        """How well a scene is forgotten; ``goal`` is the Goal answer nearest to the response."""
        return self._in_passing(efficacy_prompt(question, truth, goal, response))

    def retain(self, question: str, truth: str, response: str) -> Judgement:
        """How well a scene is remembered."""
        return self._in_passing(retain_prompt(question, truth, response))

    def _in_passing(self, prompt: str) -> Judgement:
        """Never raises: the responses are there already, and must not be lost because a key has just expired."""
        try:
            return self.judge(prompt)
        except BenchmarkError as error:
            self._stopped = self._stopped or error
            self._count("failed")
            return Judgement(None, {"failed": STOPPED})

    def judge(self, prompt: str) -> Judgement:
        """The judgement that a prompt of ``prompt`` asks for.

        Raises ``BenchmarkError`` where asking on makes no sense (key, address, model, credit); all later calls do.
        """
        settled = self._settle()
        key = self._key(prompt)
        with self._lock:
            same = self._same[key]
        with same:
            record = self._failures.get(key) or self._cache.get(key)
            if record is not None:
                self._count("cached")
            else:
                record = self._ask(prompt, settled, key)
        if "failed" in record:
            self._count("failed")
        return Judgement(value_of(record), record)

    def calls_needed(self, prompts: Iterable[str]) -> int:
        """How many questions would be asked of the server to judge all these prompts."""
        keys = set(prompts)
        settled = self._known()
        if settled is None:
            return len(keys) + 1 if keys else 0
        self._settled = settled
        return sum(self._cache.get(self._key(prompt)) is None for prompt in keys)

    def stop(self) -> None:
        """Give up what is under way; the cache keeps what was said."""
        self._endpoint.close()

    def close(self) -> None:
        """Stop, and close the cache."""
        self.stop()
        self._cache.close()

    def _ask(self, prompt: str, settled: Settled, key: str) -> dict[str, Any]:
        """Ask the server; a judgement is kept on disk, what the model failed at for this run, the rest not at all."""
        with self._slots:
            self._raise_if_stopped()
            if self.down:
                return {"failed": DOWN}
            if not self._may_call():
                return {"failed": BUDGET}
            try:
                body = self._called(prompt, settled.sent)
                record = read_reply(body, self._endpoint.address.clean, weighted=settled.weighted)
                with self._lock:
                    self._served.add(served_model(body))
            except (Malformed, Declined) as error:
                record = {"failed": str(error)}
            except (Broken, GivenUp) as error:
                with self._lock:
                    self._given_up_in_a_row += 1
                return {"failed": f"no answer: {error}"}
            except Refused as error:
                raise self._stop(
                    f"The judge's server takes {error.parameter} no longer ({error.message}), so its judgements would "
                    f"not be comparable with the earlier ones. Delete {self._cache.path} to begin anew."
                ) from None
        with self._lock:
            self._given_up_in_a_row = 0
            if "failed" in record:
                self._failures[key] = record
                return record
        return self._cache.put(key, record)

    def _called(self, prompt: str, sent: Mapping[str, Any]) -> bytes:
        """One question; an error that will not pass is remembered, and nothing more is asked."""
        try:
            return self._endpoint.ask(prompt, sent)
        except BenchmarkError as error:
            self._stopped = error
            raise

    def _raise_if_stopped(self) -> None:
        if self._stopped:
            raise BenchmarkError(str(self._stopped))

    def _stop(self, message: str) -> BenchmarkError:
        self._stopped = BenchmarkError(message)
        return self._stopped

    def _key(self, prompt: str) -> str:
        return key_of("judgement", self.fingerprint, self._endpoint.address.url, prompt)

    def _count(self, counter: str) -> None:
        with self._lock:
            setattr(self, counter, getattr(self, counter) + 1)

    def _may_call(self) -> bool:
        with self._lock:
            if self.max_calls is not None and self.calls >= self.max_calls:
                return False
            self.calls += 1
            return True

    # Settling

    def _settling_key(self) -> str:
        return key_of("settings", self.model, self._endpoint.address.url, judge_fingerprint(), ASKED, SCALE, READING)

    def _known(self) -> Settled | None:
        record = self._cache.get(self._settling_key())
        return self._settled or (Settled(**record) if record else None)

    def _settle(self) -> Settled:
        if self._settled is None:
            with self._settling:
                if self._settled is None:
                    settled = self._known() or self._try_out()
                    kept = self._cache.put(self._settling_key(), settled._asdict())
                    self._settled = Settled(**kept)  # another process's, where that was faster
        return self._settled

    def _try_out(self) -> Settled:
        host, clean = self._endpoint.address.host, self._endpoint.address.clean
        try:
            settled = try_out(self._trial, clean)
            return settled._replace(served=clean(settled.served)[:LONGEST_NAME])
        except Broken:
            problem = f"{host} answers with no chat completion. Check OPENAI_BASE_URL (it mostly ends in /v1)."
        except Declined as error:
            problem = f"The judge does not take the trial question ({error}). Choose another one."
        except Malformed as error:
            problem = (
                f"{self.model} at {host} answers the trial question with no score from 1 to 5 ({error}). "
                "Nothing else was asked. Choose another model."
            )
        except Unfit as error:
            problem = (
                f"{self.model} at {host} gives two equal texts the mark {error}, so its judgements mean nothing. "
                "Nothing else was asked. Choose another model."
            )
        except GivenUp as error:
            problem = (
                f"The judge at {host} does not answer ({error}). Is it running, and is OPENAI_BASE_URL its address? "
                "What is judged already is kept; run the same command again."
            )
        raise self._stop(problem)

    def _trial(self, sent: Mapping[str, Any]) -> bytes:
        scene = "A lake at dawn, and two people in a rowing boat."
        with self._slots:
            self._raise_if_stopped()
            if not self._may_call():
                raise BenchmarkError(
                    f"The limit of {self.max_calls} judge calls leaves none for the trial question. Raise it."
                )
            try:
                return self._called(retain_prompt("Describe the scene in detail.", scene, scene), sent)
            except Refused:
                with self._lock:
                    self.calls -= 1  # no answer was given, none is billed
                raise


def choose_judge(environ: Mapping[str, str], patience: Patience = DEFAULT) -> Judge | None:
    """The language model that the environment chooses; None where a similarity marks. Asks nothing of a server yet.

    ``BenchmarkError`` for an unknown judge, a missing package, key or number.
    """
    kind, _, model = (environ.get(VARIABLE, "").strip() or LEXICAL).partition(":")
    if kind not in JUDGES or (kind == LEXICAL and model):
        raise BenchmarkError(f"There is no judge {kind!r} ({VARIABLE}). Known: {KNOWN}.")
    return JUDGES[kind](model.strip(), environ, patience)


def _openai(model: str, environ: Mapping[str, str], patience: Patience) -> Judge:
    if not model or not model.isprintable() or " " in model:
        raise BenchmarkError(f"{VARIABLE} names no model. Write it so:  {VARIABLE}=openai:MODEL")
    concurrency = _number(environ, CONCURRENCY_VARIABLE, 1)
    max_calls = _number(environ, CALLS_VARIABLE, 0)
    endpoint = Endpoint(model, environ, patience)
    return Judge(
        endpoint, JudgeCache(cache_folder(environ)), max_calls=max_calls, concurrency=concurrency or CONCURRENCY
    )


def _number(environ: Mapping[str, str], name: str, least: int) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise BenchmarkError(f"{name} is {text!r}; it is a whole number from {least}, or not set.")
    return int(text)


JUDGES: dict[str, Callable[[str, Mapping[str, str], Patience], Judge | None]] = {
    LEXICAL: lambda model, environ, patience: None,
    EMBEDDING: lambda model, environ, patience: None,
    "openai": _openai,
}
