"""The judge against a server that misbehaves in every way we know of."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from judge_server import (
    Answer,
    Handler,
    JudgeServer,
    completion,
    drips,
    fails,
    logprobs,
    raw,
    resets,
    says,
    slow,
    takes_only,
    weighs,
)
from judges import KEY, PATIENCE, SCENE, judge_of

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.endpoint import _retry_after
from pebench_tasks.judge.judge import Judge, choose_judge
from pebench_tasks.judge.prompt import retain_prompt
from pebench_tasks.marking.record import value_of

QUESTION, TRUTH, GOAL = SCENE
Start = Callable[..., tuple[Judge, JudgeServer]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A judge and its server: ``start(answer, ..., then=answer, trial=answer, **environment)``."""
    with ExitStack() as stack:

        def started(
            *answers: Answer, then: Answer | None = None, trial: Answer | None = None, **environ: str
        ) -> tuple[Judge, JudgeServer]:
            server = stack.enter_context(JudgeServer(*answers, then=then, trial=trial))
            judge = judge_of(server, tmp_path / "cache", **environ)
            stack.callback(judge.close)
            return judge, server

        yield started


def test_lexical_is_the_default_and_asks_nobody() -> None:
    assert choose_judge({}) is None
    assert choose_judge({"PEBENCH_JUDGE": ""}) is None
    assert choose_judge({"PEBENCH_JUDGE": "lexical"}) is None


@pytest.mark.parametrize("name", ["gpt-4o", "anthropic:x", "lexical:x", "openai", "openai:", "openai: ", "openai:a b"])
def test_an_unknown_judge_is_refused(name: str) -> None:
    with pytest.raises(BenchmarkError, match="PEBENCH_JUDGE"):
        choose_judge({"PEBENCH_JUDGE": name, "OPENAI_API_KEY": KEY})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PEBENCH_JUDGE_CONCURRENCY", "0"),
        ("PEBENCH_JUDGE_CONCURRENCY", "four"),
        ("PEBENCH_MAX_JUDGE_CALLS", "-1"),
        ("PEBENCH_MAX_JUDGE_CALLS", "1e3"),
    ],
)
def test_a_setting_that_is_no_number_is_refused(name: str, value: str, tmp_path: Path) -> None:
    environ = {"PEBENCH_JUDGE": "openai:m", "OPENAI_API_KEY": KEY, "PEBENCH_JUDGE_CACHE": str(tmp_path), name: value}
    with pytest.raises(BenchmarkError, match=name):
        choose_judge(environ)


def test_a_missing_key_says_that_a_local_server_takes_any() -> None:
    with pytest.raises(BenchmarkError, match=r"OPENAI_API_KEY.*local server takes any"):
        choose_judge({"PEBENCH_JUDGE": "openai:m"})


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(BenchmarkError, match=r"pip install 'pebench\[judge\]'"):
        choose_judge({"PEBENCH_JUDGE": "openai:m", "OPENAI_API_KEY": KEY})


def test_a_judgement_is_the_expectation_over_the_probabilities(start: Start) -> None:
    judge, server = start(weighs("4", _4=0.5, _5=0.5))
    judgement = judge.retain(QUESTION, TRUTH, "A lake.")
    assert judgement.value == pytest.approx(0.875)
    assert judgement.record["source"] == "logprobs"
    assert value_of(json.loads(json.dumps(judgement.record))) == judgement.value
    sent = server.judgements[0].body
    assert {name: value for name, value in sent.items() if name not in ("messages", "model")} == {
        "temperature": 0, "seed": 0, "max_tokens": 4096, "logprobs": True, "top_logprobs": 20,
    }  # fmt: skip
    assert sent["model"] == "some/model"


def test_efficacy_shows_the_goal_answer_and_retain_does_not(start: Start) -> None:
    judge, server = start()
    judge.efficacy(QUESTION, TRUTH, GOAL, "A hall.")
    judge.retain(QUESTION, TRUTH, "A hall.")
    efficacy, retain = (request.prompt for request in server.judgements)
    assert GOAL in efficacy
    assert GOAL not in retain
    assert all(text in prompt for prompt in (efficacy, retain) for text in (QUESTION, TRUTH, "A hall."))


# What passes


@pytest.mark.parametrize(
    "trouble",
    [
        fails(429, headers={"Retry-After": "0.01"}), fails(429), fails(500), fails(502), fails(503), fails(408), resets,
        slow(2.0, says("4")), drips,
    ],
)  # fmt: skip
def test_what_passes_is_asked_again(start: Start, trouble: Answer) -> None:
    judge, server = start(trouble, trouble, says("5"))
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(1)
    assert len(server.judgements) == 3
    assert (judge.calls, judge.failed) == (2, 0)  # with the trial question


def test_a_server_that_says_how_long_to_wait_is_left_alone_so_long(start: Start) -> None:
    judge, server = start(fails(429, headers={"Retry-After": "0.3"}), says("5"))
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(1)
    first, second = server.judgements
    assert second.at - first.at >= 0.3


def test_a_wait_beyond_reason_is_given_up(start: Start) -> None:
    judge, server = start(fails(429, headers={"Retry-After": "3600"}))
    assert judge.retain(QUESTION, TRUTH, "A lake.").record == {"failed": "no answer: HTTP 429, asks to wait 3600 s"}
    assert len(server.judgements) == 1


def test_retry_after_may_be_a_date_or_nonsense() -> None:
    assert _retry_after({"retry-after": "7"}) == 7
    assert _retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert _retry_after({"retry-after": "Fri, 01 Jan 2100 00:00:00 GMT"}) == pytest.approx(
        4102444800 - time.time(), abs=5
    )
    for nonsense in ("", "soon", "-3", "nan", "1e9"):
        assert _retry_after({"retry-after": nonsense}) is None


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (fails(500), "HTTP 500"),
        (resets, "connection"),
        pytest.param(slow(2.0, says("4")), "timeout", marks=pytest.mark.slow),
        pytest.param(drips, "timeout", marks=pytest.mark.slow),
        (fails(429), "HTTP 429"),
    ],
)
def test_what_never_passes_is_a_failed_judgement_and_not_kept(start: Start, trouble: Answer, reason: str) -> None:
    judge, server = start(*[trouble] * PATIENCE.attempts)
    _ = judge.fingerprint
    # Who waited for a dripping server to end would find its connection broken.
    assert judge.retain(QUESTION, TRUTH, "A lake.").record == {"failed": f"no answer: {reason}"}
    assert len(server.judgements) == PATIENCE.attempts
    assert judge.failed == 1
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)  # asked again


def test_a_server_that_stays_down_is_left_alone(start: Start) -> None:
    judge, server = start(then=fails(500))
    reasons = [judge.retain(QUESTION, TRUTH, f"A lake {i}.").record["failed"] for i in range(8)]
    assert reasons == ["no answer: HTTP 500"] * 5 + ["the judge's server is down"] * 3
    assert len(server.judgements) == 5 * PATIENCE.attempts
    assert judge.down


def test_now_and_then_no_answer_is_not_down(start: Start) -> None:
    judge, _ = start(*([fails(500)] * PATIENCE.attempts * 4 + [says("4")]) * 2)
    values = [judge.retain(QUESTION, TRUTH, f"A lake {i}.").value for i in range(10)]
    assert [value is None for value in values] == ([True] * 4 + [False]) * 2
    assert not judge.down


# What is no judgement


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (says(""), "empty"),
        (says(None), "empty"),
        (says("I'd say four"), 'malformed: "I\'d say four"'),
        (says("9"), 'out of range: "9"'),
        (says("10"), 'out of range: "10"'),
        (says("The candidate", finish="length"), 'truncated: "The candidate"'),
        (says(None, refusal="I won't"), 'refused: "I won\'t"'),
        (fails(400, "flagged", code="content_filter"), "refused by a content filter"),
        (fails(400, "long", code="context_length_exceeded"), "too long for the judge"),
        (
            fails(400, "max_tokens: this model's maximum context length is 10", param="max_tokens"),
            "too long for the judge",
        ),
        (fails(413), "too long for the judge"),
    ],
)
def test_what_the_model_fails_at_is_asked_once_a_run_and_again_in_the_next(
    start: Start, tmp_path: Path, answer: Answer, reason: str
) -> None:
    judge, server = start(answer)
    for _ in range(2):
        judgement = judge.retain(QUESTION, TRUTH, "A lake.")
        assert judgement.value is None
        assert judgement.record == {"failed": reason}
    assert len(server.judgements) == 1
    assert (judge.failed, judge.cached) == (2, 1)
    again = judge_of(server, tmp_path / "cache")
    assert again.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)
    assert (again.calls, again.failed) == (1, 0)


@pytest.mark.parametrize(
    "body", [b"", b"<html>gateway</html>", b'{"choices": [{"mess', b'{"error": "x"}', b" " * 5_000_000]
)
def test_what_is_no_completion_is_a_failed_judgement_and_not_kept(start: Start, body: bytes) -> None:
    judge, server = start(raw(body))
    assert judge.retain(QUESTION, TRUTH, "A lake.").record == {"failed": "no answer: no chat completion"}
    assert len(server.judgements) == 1
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)


def test_a_reply_whose_probabilities_are_missing_counts_as_its_integer(start: Start) -> None:
    broken = raw(completion("2", logprobs={"content": [{"token": "2", "logprob": float("nan")}]}))
    judge, _ = start(says("2", logprobs=None), broken)
    for response in ("one", "two"):
        assert judge.retain(QUESTION, TRUTH, response) == (0.25, {"weights": {"2": 1.0}, "source": "text"})


# What does not pass


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (fails(401, "bad key"), r"HTTP 401.*bad key.*Check OPENAI_API_KEY"),
        (fails(403), r"HTTP 403.*Check OPENAI_API_KEY"),
        (fails(403, "no access to the model seed-oss"), r"HTTP 403.*Check OPENAI_API_KEY"),
        (fails(401, "logprobs"), r"HTTP 401.*Check OPENAI_API_KEY"),
        (fails(404), r"HTTP 404.*some/model.*OPENAI_BASE_URL"),
        (fails(400, "nothing of ours"), r"HTTP 400.*nothing of ours"),
        (fails(418), r"HTTP 418"),
        (fails(429, code="insufficient_quota"), r"no credit left"),
        (fails(307, headers={"Location": "http://127.0.0.1:9/v1"}), r"HTTP 307.*redirects are not followed"),
        (fails(301, headers={"Location": "/v2"}), r"HTTP 301.*redirects are not followed"),
    ],
)
def test_what_will_not_pass_stops_at_once_and_says_what_to_do(start: Start, answer: Answer, advice: str) -> None:
    judge, server = start(answer)
    for _ in range(2):  # the second time without asking
        with pytest.raises(BenchmarkError, match=advice):
            judge.judge(retain_prompt(QUESTION, TRUTH, "A lake."))
    assert len(server.judgements) == 1


def test_what_will_not_pass_loses_no_responses_that_are_there_already(start: Start) -> None:
    judge, server = start(says("5"), then=fails(401, "expired"))
    values = [judge.retain(QUESTION, TRUTH, f"A lake {i}.") for i in range(4)]
    assert values[0].value == pytest.approx(1)
    assert [judgement.record for judgement in values[1:]] == [{"failed": "the judge stopped"}] * 3
    assert len(server.judgements) == 2
    assert (judge.calls, judge.failed) == (3, 3)  # the trial question, one answer, one refusal
    assert "expired" in judge.stopped_by


def test_a_judge_that_does_not_work_is_known_before_any_judgement(start: Start) -> None:
    judge, server = start(trial=fails(401))
    with pytest.raises(BenchmarkError, match="Check OPENAI_API_KEY"):
        _ = judge.fingerprint
    assert len(server.requests) == 1
    for trouble, said in ((raw(b"<html>"), "no chat completion.*/v1"), (fails(500), r"does not answer \(HTTP 500\)")):
        with pytest.raises(BenchmarkError, match=said):
            _ = start(trial=trouble)[0].fingerprint


@pytest.mark.parametrize(
    ("trial", "said"),
    [
        (says("As an AI I rate nothing"), r'no score from 1 to 5 \(malformed: "As an AI I rate nothing"\)'),
        (says("9"), r'no score from 1 to 5 \(out of range: "9"\)'),
        (says(""), r"no score from 1 to 5 \(empty\)"),
        (says("So", finish="length"), r'no score from 1 to 5 \(truncated: "So"\)'),
        (says(None, refusal="I won't"), r"no score from 1 to 5 \(refused: "),
        (says("1"), "two equal texts the mark 1.0 of 5"),
        (says("3", logprobs=None), "two equal texts the mark 3.0 of 5"),
        (weighs("4", _4=0.5, _2=0.5), "two equal texts the mark 3.0 of 5"),
    ],
)
def test_a_judge_that_fails_the_trial_is_asked_nothing_else(
    start: Start, tmp_path: Path, trial: Answer, said: str
) -> None:
    """Two equal texts must get a 4 or a 5; a judge that passes later is not held to an earlier failure."""
    judge, server = start(trial=trial)
    for i in range(30):
        assert judge.retain(QUESTION, TRUTH, f"A lake {i}.").record == {"failed": "the judge stopped"}
    assert not server.judgements
    with pytest.raises(BenchmarkError, match=f"some/model at .*{said}.*Nothing else was asked"):
        _ = judge.fingerprint
    server.trial = says("5")
    assert judge_of(server, tmp_path / "cache").retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)


def test_the_trial_passes_with_a_four_or_a_five(start: Start) -> None:
    """4.0, 5.0 and 0.6 * 4 + 0.4 * 3 = 3.6 round to at least 4."""
    for trial in (says("4"), says("5", logprobs=None), weighs("4", _4=0.6, _3=0.4), says('{"score": "5/5"}')):
        assert start(trial=trial)[0].retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)


def test_nobody_at_the_address_is_said(tmp_path: Path) -> None:
    with JudgeServer() as server:
        address = server.address
    server.server_close()
    environ = {"PEBENCH_JUDGE": "openai:m", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://{address}/v1"}
    judge = choose_judge({**environ, "PEBENCH_JUDGE_CACHE": str(tmp_path)}, PATIENCE)
    assert judge is not None
    with pytest.raises(BenchmarkError, match=r"does not answer \(connection\)\. Is it running"):
        _ = judge.fingerprint


# Settings that a server does not take


def settings_of(server: JudgeServer) -> dict[str, object]:
    sent = server.judgements[-1].body
    return {name: value for name, value in sent.items() if name not in ("messages", "model")}


@pytest.mark.parametrize("by", ["param", "text"])
def test_a_refused_setting_is_left_out_from_then_on(start: Start, by: str) -> None:
    choosy = takes_only("temperature", "max_tokens", answer=says("4", logprobs=None), by=by)
    judge, server = start(then=choosy, trial=choosy)
    assert judge.retain(QUESTION, TRUTH, "A lake.") == (0.75, {"weights": {"4": 1.0}, "source": "text"})
    assert settings_of(server) == {"temperature": 0, "max_tokens": 4096}
    assert len(server.judgements) == 1
    assert judge.calls == 2  # what was refused is no call
    assert judge.facts()["not_taken"] == ["logprobs", "seed", "top_logprobs"]
    assert judge.facts()["probabilities"] is False


def test_a_reasoning_model_gets_its_own_limit_and_no_temperature(start: Start) -> None:
    choosy = takes_only("seed", "max_completion_tokens", answer=says("4", logprobs=None))
    judge, server = start(then=choosy, trial=choosy)
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == 0.75
    assert settings_of(server) == {"seed": 0, "max_completion_tokens": 4096}


def test_a_limit_on_alternatives_is_met_with_five(start: Start) -> None:
    def at_most_five(handler: Handler, body: dict[str, Any]) -> None:
        if body.get("top_logprobs", 0) > 5:
            fails(400, "top_logprobs must be at most 5; logprobs is fine")(handler, body)
        else:
            weighs("4", _4=0.5, _5=0.5)(handler, body)

    judge, server = start(then=at_most_five, trial=at_most_five)
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.875)
    assert settings_of(server)["top_logprobs"] == 5


@pytest.mark.parametrize(
    "refusal",
    [
        fails(403, "You are not allowed to request logprobs from this model."),
        fails(403, "no", param="logprobs"),
        fails(403, "Logprobs need a higher tier."),
        fails(404, "logprobs is not available for some/model"),
        fails(501, "logprobs are not implemented: 'logprobs'"),
        fails(422, "extra inputs are not permitted: logprobs"),
    ],
)
def test_a_setting_may_be_refused_with_any_status_that_is_about_the_request(start: Start, refusal: Answer) -> None:
    """A 403 that names logprobs is no bad key."""

    def without_logprobs(handler: Handler, body: dict[str, Any]) -> None:
        (refusal if "logprobs" in body else says("4", logprobs=None))(handler, body)

    judge, server = start(then=without_logprobs, trial=without_logprobs)
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == 0.75
    assert judge.facts()["not_taken"] == ["logprobs", "top_logprobs"]
    assert len(server.judgements) == 1


def thinks(tokens: int, then: str, limit: str = "max_tokens") -> Answer:
    """A model that needs so many tokens before it comes to its score."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        enough = body[limit] > tokens
        (says(f"<think>5? Hm.</think>{then}") if enough else says("<think>5? H", finish="length"))(handler, body)

    return answer


def test_there_is_room_for_thoughts_whether_the_trial_needed_any_or_not(start: Start) -> None:
    for trial in (says("5"), thinks(1000, "5")):
        judge, server = start(then=thinks(1000, "2"), trial=trial)
        assert judge.retain(QUESTION, TRUTH, "A lake.").value == 0.25
        assert settings_of(server)["max_tokens"] == 4096


def test_a_model_that_thinks_longer_gets_more_room(start: Start) -> None:
    judge, server = start(then=thinks(9000, "2"), trial=thinks(5000, "5"))
    assert judge.retain(QUESTION, TRUTH, "A lake.").value == 0.25
    assert settings_of(server)["max_tokens"] == 16384
    assert judge.calls == 3
    with pytest.raises(BenchmarkError, match=r"no score from 1 to 5 \(truncated"):
        _ = start(trial=thinks(20000, "5"))[0].fingerprint


def test_a_server_with_less_room_is_asked_for_less(start: Start) -> None:
    def holds(tokens: int, error: Answer) -> Answer:
        def answer(handler: Handler, body: dict[str, Any]) -> None:
            room = body.get("max_tokens", body.get("max_completion_tokens"))
            (error if room > tokens else says("4"))(handler, body)

        return answer

    for error, tokens in (
        (fails(400, "max_tokens=4096 is too large. The maximum context length is 2048", param="max_tokens"), 1024),
        (fails(400, "max_tokens is too large: this model supports at most 2048 completion tokens"), 1024),
        (fails(400, code="context_length_exceeded"), 16),
    ):
        small = holds(tokens, error)
        judge, server = start(then=small, trial=small)
        assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)
        assert settings_of(server)["max_tokens"] == tokens


def test_what_the_server_calls_its_model_is_recorded(start: Start) -> None:
    def called(name: Any) -> Answer:
        answer = {**json.loads(completion("4")), "model": name}
        return raw(json.dumps(answer).encode())

    judge, _ = start(called("m-2026-11-02"), then=called("m-2026-11-01"), trial=called("m-2026-11-01"))
    assert judge.facts()["served"] == "m-2026-11-01"
    judge.retain(QUESTION, TRUTH, "A lake.")
    assert judge.facts()["served"] == "m-2026-11-01, m-2026-11-02"
    assert judge.facts()["model"] == "some/model"
    nameless, _ = start(trial=called(7))
    assert nameless.facts()["served"] == ""
    leaking, _ = start(trial=called(f"m for {KEY}"))
    assert leaking.facts()["served"] == "m for ***"


def test_judgements_made_differently_have_different_fingerprints(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = start()[0].fingerprint
    assert usual.startswith("openai:some/model/")
    assert len(usual.rpartition("/")[2]) == 8
    others = [
        start(trial=says("4", logprobs=None))[0],  # returns no probabilities
        start(trial=takes_only("temperature", "max_tokens", "logprobs", "top_logprobs", answer=says("4")))[0],
        start(trial=takes_only("seed", "max_tokens", "logprobs", "top_logprobs", answer=says("4")))[0],
        start(PEBENCH_JUDGE="openai:other/model")[0],
    ]
    assert len({usual, *(judge.fingerprint for judge in others)}) == 5
    assert start()[0].fingerprint == usual
    monkeypatch.setattr("pebench_tasks.judge.judge.judge_fingerprint", lambda: "other wording")
    assert start()[0].fingerprint != usual


def test_a_server_that_gave_no_probabilities_when_tried_is_not_weighted_later(start: Start) -> None:
    judge, _ = start(weighs("4", _4=0.5, _5=0.5), trial=says("4", logprobs=None))
    assert judge.retain(QUESTION, TRUTH, "A lake.").record == {"weights": {"4": 1.0}, "source": "text"}


def test_a_setting_refused_later_stops(start: Start) -> None:
    judge, _ = start(then=takes_only("temperature", answer=says("4")))
    with pytest.raises(BenchmarkError, match=r"takes \w+ no longer.*Delete"):
        judge.judge(retain_prompt(QUESTION, TRUTH, "A lake."))


# The cache, the budget, threads


def test_a_second_scoring_asks_nothing(start: Start, tmp_path: Path) -> None:
    judge, server = start(weighs("4", _4=0.9, _5=0.1), says("2"))
    first = [judge.retain(QUESTION, TRUTH, "A lake."), judge.efficacy(QUESTION, TRUTH, GOAL, "A hall.")]
    asked = len(server.requests)
    again = judge_of(server, tmp_path / "cache")
    assert [again.retain(QUESTION, TRUTH, "A lake."), again.efficacy(QUESTION, TRUTH, GOAL, "A hall.")] == first
    assert again.fingerprint == judge.fingerprint
    assert len(server.requests) == asked
    assert (again.calls, again.cached, again.failed) == (0, 2, 0)


def test_another_server_is_asked_for_itself(start: Start) -> None:
    assert start(says("4"))[0].retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)
    assert start(says("1"))[0].retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0)


def test_the_budget_is_exact_and_what_is_kept_costs_nothing(start: Start) -> None:
    judge, server = start(PEBENCH_MAX_JUDGE_CALLS="3")
    with ThreadPoolExecutor(8) as pool:
        judged = list(pool.map(lambda i: judge.retain(QUESTION, TRUTH, f"A lake {i}."), range(10)))
    assert sum(judgement.value is not None for judgement in judged) == 2  # the trial question was the first call
    assert [j.record for j in judged if j.value is None] == [{"failed": "budget"}] * 8
    assert len(server.requests) == judge.calls == 3
    kept = next(i for i, judgement in enumerate(judged) if judgement.value is not None)
    assert judge.retain(QUESTION, TRUTH, f"A lake {kept}.").value == pytest.approx(0.75)
    assert len(server.requests) == 3


def test_a_budget_of_nothing_says_so(start: Start) -> None:
    judge, server = start(PEBENCH_MAX_JUDGE_CALLS="0")
    with pytest.raises(BenchmarkError, match="limit of 0 judge calls"):
        _ = judge.fingerprint
    assert not server.requests


def test_what_will_be_asked_is_known_beforehand(start: Start) -> None:
    judge, server = start()
    assert judge.calls_needed([]) == 0
    assert judge.calls_needed(["a", "b", "a"]) == 3  # and the trial question
    assert not server.requests
    judge.judge("a")
    assert judge.calls_needed(["a", "b", "a"]) == 1


def test_never_more_at_once_than_the_limit(start: Start) -> None:
    three = threading.Barrier(3, timeout=10)

    def waits_for_two_others(handler: Handler, body: dict[str, Any]) -> None:
        three.wait()
        slow(0.02, says("4"))(handler, body)

    judge, server = start(then=waits_for_two_others, PEBENCH_JUDGE_CONCURRENCY="3")
    with ThreadPoolExecutor(16) as pool:
        judged = list(pool.map(lambda i: judge.retain(QUESTION, TRUTH, f"A lake {i}."), range(24)))
    assert all(judgement.value is not None for judgement in judged)
    assert server.most_at_once == 3
    assert len(server.requests) == 25


def test_the_same_question_is_asked_once_by_all_threads(start: Start) -> None:
    judge, server = start(then=slow(0.05, says("4")))
    with ThreadPoolExecutor(8) as pool:
        judged = list(pool.map(lambda _: judge.retain(QUESTION, TRUTH, ""), range(8)))
    assert len({judgement.value for judgement in judged}) == 1
    assert len(server.requests) == 2
    assert judge.cached == 7


def test_closing_gives_up_what_waits(start: Start) -> None:
    judge, server = start(then=fails(429, headers={"Retry-After": "60"}))
    _ = judge.fingerprint
    with ThreadPoolExecutor(1) as pool:
        judgement = pool.submit(judge.retain, QUESTION, TRUTH, "A lake.")
        while not server.judgements:
            time.sleep(0.01)
        judge.stop()
        assert judgement.result(timeout=30).value is None  # of the 60 seconds that the server asks for


# Addresses


def test_a_gateways_address_may_hold_a_path_and_a_query(start: Start) -> None:
    with JudgeServer() as gateway:
        judge, _ = start(OPENAI_BASE_URL=f"http://{gateway.address}/openai/deployments/judge?api-version=2025-01-01")
        assert judge.retain(QUESTION, TRUTH, "A lake.").value == pytest.approx(0.75)
        request = gateway.judgements[0]
        assert request.path == "/openai/deployments/judge/chat/completions?api-version=2025-01-01"
        assert request.headers["api-key"] == KEY
        assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/chat/completions"])
def test_every_usual_form_of_an_address_is_taken(start: Start, path: str) -> None:
    with JudgeServer() as server:
        start(OPENAI_BASE_URL=f"http://{server.address}{path}")[0].retain(QUESTION, TRUTH, "A lake.")
        assert {request.path for request in server.requests} == {"/v1/chat/completions"}


def test_a_name_and_password_in_the_address_are_sent_as_such(start: Start) -> None:
    with JudgeServer() as server:
        start(OPENAI_BASE_URL=f"http://me:pa%40ss@{server.address}/v1")[0].retain(QUESTION, TRUTH, "A lake.")
        assert server.requests[0].headers["authorization"] == "Basic bWU6cGFAc3M="  # me:pa@ss


@pytest.mark.parametrize(
    "address", ["localhost:8000/v1", "ftp://x/v1", "http://", "http://x:99999/v1", "http://[x/v1", "http://a b/v1"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BenchmarkError, match="OPENAI_BASE_URL is no http"):
        choose_judge({"PEBENCH_JUDGE": "openai:m", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": address})


def test_probabilities_of_the_test_server_are_what_the_api_returns() -> None:
    assert logprobs("4", {"4": 1.0})["content"][0]["top_logprobs"][0] == {"token": "4", "logprob": 0.0, "bytes": None}
