"""Our tasks on the harness's API backends, with a server on localhost in the model's place."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lmms_eval.api.instance import Instance
from lmms_eval.protocol import ChatMessages
from model_server import Asked, ModelServer, Reply, fingerprint
from PIL import Image, ImageChops
from stock_runs import answers, recorded, run

from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.results.samples import read_samples

PEOPLE, EVENTS = "pebench_people", "pebench_events"
BACKENDS = ("openai", "async_openai")
QUICK = "max_retries=1,retry_backoff_s=0"


@pytest.fixture(scope="session")
def truths(small: Benchmark) -> dict[tuple[str, str], str]:
    """Every answer by the image and the question."""
    rows = [row for target in ("person", "event") for row in documents(small, target, "forget05")]
    return {(fingerprint(small.image(row["image"])), row["question"]): row["answer"] for row in rows}


@pytest.fixture
def knows(truths: dict[tuple[str, str], str]) -> Reply:
    """Answers right, if the image came in its own pixels and with its own question."""
    return lambda server, asked: (200, truths.get((asked.pixels, asked.question), "an unknown image or question"))


def says(text: str | None, status: int = 200) -> Reply:
    return lambda server, asked: (status, text)


def late(seconds: float) -> Reply:
    def reply(server: ModelServer, asked: Asked) -> tuple[int, str]:
        time.sleep(seconds)
        return 200, "late"

    return reply


def ask(backend: str, server: ModelServer, small: Benchmark, more: str = QUICK, **options: Any) -> dict[str, Any]:
    arguments = f"model=m,base_url={server.address},api_key=a-key,{more}"
    return run(backend, arguments, small, **{"limit": 12, **options})


# What arrives


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_document_gets_the_answer_to_its_own_image(backend: str, small: Benchmark, knows: Reply) -> None:
    with ModelServer(knows) as server:
        results = ask(backend, server, small, tasks=(PEOPLE, EVENTS), limit=None)
    for task in (PEOPLE, EVENTS):
        assert recorded(results, task)["withheld"] == ""
        assert recorded(results, task)["image_size"] is None  # nothing to observe in this process
        rows = {row["key"]: row["answer"] for row in documents(small, recorded(results, task)["target"], "forget05")}
        assert answers(results, task) == rows
    assert len(server.asked) == sum(len(results["samples"][task]) for task in (PEOPLE, EVENTS))
    assert {(asked.media_type, asked.image and asked.image.size) for asked in server.asked} == {("image/png", (64, 64))}
    assert {asked.authorization for asked in server.asked} == {"Bearer a-key"}
    assert [message["role"] for message in server.asked[0].body["messages"]] == ["user"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_length_and_the_temperature_arrive_and_nothing_else_does(
    backend: str, small: Benchmark, knows: Reply
) -> None:
    with ModelServer(knows) as server:
        results = ask(backend, server, small, limit=2, gen_kwargs="max_new_tokens=12,temperature=0.5")
    settings = [{k: v for k, v in asked.body.items() if k != "messages"} for asked in server.asked]
    assert settings == [{"model": "m", "max_tokens": 12, "temperature": 0.5}] * 2
    assert recorded(results)["generation"]["max_new_tokens"] == 12


@pytest.mark.parametrize("called", ["gpt-5-mini", "models/demo3"])
def test_openai_takes_a_name_that_holds_o3_for_a_reasoning_model(called: str, small: Benchmark, knows: Reply) -> None:
    with ModelServer(knows) as server:
        run("openai", f"model={called},base_url={server.address},api_key=k,{QUICK}", small, limit=1)
    assert server.asked[0].body.keys() == {"model", "messages", "max_completion_tokens", "response_format"}
    assert server.asked[0].body["max_completion_tokens"] == 256


def test_jpeg_is_only_sent_when_asked_for_and_loses_pixels(
    small: Benchmark, truths: dict[tuple[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMMS_IMAGE_ENCODE_FORMAT", "JPEG")
    with ModelServer(says("x")) as server:
        ask("async_openai", server, small, limit=4)
    assert {asked.media_type for asked in server.asked} == {"image/jpeg"}
    assert not {(asked.pixels, asked.question) for asked in server.asked} & truths.keys()


@pytest.mark.parametrize("backend", BACKENDS)
def test_address_and_key_are_taken_from_the_environment(
    backend: str, small: Benchmark, knows: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ModelServer(knows) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.address)
        monkeypatch.setenv("OPENAI_API_KEY", "from-outside")
        results = run(backend, f"model=m,{QUICK}", small, limit=2)
    assert [asked.authorization for asked in server.asked] == ["Bearer from-outside"] * 2
    assert "from-outside" not in json.dumps([recorded(results), results["config"]], default=str)


@pytest.mark.parametrize(("backend", "option"), [("openai", "num_concurrent"), ("async_openai", "num_cpus")])
def test_requests_run_at_once_as_told(backend: str, option: str, small: Benchmark) -> None:
    """Each of the 12 is answered when as many as may be at once are there, and a little later than the last of them."""
    for number in (1, 4):
        all_there = threading.Barrier(number, timeout=60)

        def reply(server: ModelServer, asked: Asked, all_there: threading.Barrier = all_there) -> tuple[int, str]:
            all_there.wait()
            return late(0.02)(server, asked)

        with ModelServer(reply) as server:
            ask(backend, server, small, f"{QUICK},{option}={number}")
        assert server.most_at_once == number


# What goes wrong


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_failing_server_is_shown_as_failed_requests_not_as_forgetting(
    backend: str, small: Benchmark, capsys: pytest.CaptureFixture[str]
) -> None:
    with ModelServer(says("no images here", 400)) as server:
        results = ask(backend, server, small)
    found = recorded(results)
    assert results["results"][PEOPLE]["efficacy,none"] == 100.0  # the trap
    assert found["unanswered"] == {name: counts["n"] for name, counts in found["slices"].items()}
    assert set(answers(results).values()) == {
        "[LMMS_EVAL_REQUEST_FAILED after 1 retries] Error code: 400 - no images here"
    }
    n = found["slices"]["efficacy"]["n"]
    assert f"efficacy: {n} of {n} responses are error messages of the backend" in capsys.readouterr().err


def test_one_failed_request_among_good_ones_is_shown(small: Benchmark, knows: Reply) -> None:
    def sometimes(server: ModelServer, asked: Asked) -> tuple[int, Any]:
        return knows(server, asked) if len(server.asked) != 3 else (400, "broken")

    with ModelServer(sometimes) as server:
        found = recorded(ask("openai", server, small, f"{QUICK},num_concurrent=1"))
    assert list(found["unanswered"].values()) == [1]


def test_a_server_that_is_too_slow_for_async_openai_is_a_failed_request(small: Benchmark) -> None:
    with ModelServer(late(1)) as server:
        found = recorded(ask("async_openai", server, small, f"{QUICK},timeout=0.2", limit=1))
    assert sum(found["unanswered"].values()) == 1


@pytest.mark.parametrize(("backend", "sign"), [("openai", "mostly_empty"), ("async_openai", "unanswered")])
def test_an_answer_without_content_is_shown_and_can_be_read_back(
    backend: str, sign: str, small: Benchmark, tmp_path: Path
) -> None:
    """As of a reasoning model that has thought until its tokens were spent."""
    with ModelServer(says(None)) as server:
        results = ask(backend, server, small)
    assert list(recorded(results)[sign]) == list(recorded(results)["slices"])
    file = tmp_path / "samples.jsonl"
    file.write_text("".join(json.dumps(line, default=str) + "\n" for line in results["samples"][PEOPLE]))
    assert {sample.key: sample.response for sample in read_samples(file)} == answers(results)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_server_that_returns_its_prompt_is_shown(backend: str, small: Benchmark) -> None:
    with ModelServer(lambda server, asked: (200, f"USER: {asked.question} ASSISTANT: no idea")) as server:
        found = recorded(ask(backend, server, small))
    assert found["mostly_echoed"] == list(found["slices"])


def test_a_run_that_broke_off_cannot_be_resumed_from_the_response_cache(
    small: Benchmark, knows: Reply, tmp_path: Path
) -> None:
    """Its answers count as never read, because its key knows nothing of the weights behind the address."""
    with ModelServer(knows) as server:
        first = ask("openai", server, small, use_cache=str(tmp_path))
        again = ask("openai", server, small, use_cache=str(tmp_path))
    assert recorded(first)["withheld"] == ""
    assert "the images of 12 documents were never read" in recorded(again)["withheld"]
    assert len(server.asked) == 12


# What vllm and sglang are handed; they cannot be installed on every machine


@pytest.fixture
def instances(small: Benchmark) -> Callable[[], tuple[list[Instance], dict[str, Any]]]:
    """The requests of a task as the harness builds them for chat models, and its documents."""

    def build() -> tuple[list[Instance], dict[str, Any]]:
        handed: dict[str, Any] = {}

        def keep(server: ModelServer, asked: Asked) -> tuple[int, str]:
            return 200, "x"

        from lmms_eval.models.chat.openai import OpenAICompatible

        original = OpenAICompatible.generate_until

        def generate_until(self: Any, requests: list[Instance]) -> Any:
            handed.update(requests=list(requests), task_dict=self.task_dict)
            handed["converted"] = {"vllm": _vllm(requests, self.task_dict), "sglang": _sglang(requests, self.task_dict)}
            return original(self, requests)

        with pytest.MonkeyPatch.context() as patch, ModelServer(keep) as server:
            patch.setattr(OpenAICompatible, "generate_until", generate_until)
            ask("openai", server, small, limit=4)
        return handed["requests"], handed["converted"] | {"asked": server.asked}

    return build


def _vllm(requests: list[Instance], task_dict: Any) -> list[Any]:
    from lmms_eval.models.chat.vllm import VLLM

    model = SimpleNamespace(
        task_dict=task_dict, max_pixels=1605632, min_image_pixels=28, max_frame_num=32, fps=None, nframes=32,
        is_qwen3_vl=False, _select_max_new_tokens=lambda given: given, _build_sampling_params_dict=dict,
    )  # fmt: skip
    return [VLLM.make_one_request(model, request) for request in requests]  # type: ignore[arg-type]


def _sglang(requests: list[Instance], task_dict: Any) -> list[Any]:
    found = []
    for request in requests:
        _, doc_to_messages, _, doc_id, task, split = request.args
        messages = ChatMessages(messages=doc_to_messages(task_dict[task][split][doc_id]))
        found.append((messages.to_hf_messages({"nframes": 32}), messages.extract_media()))
    return found


def test_vllm_is_handed_the_messages_that_an_api_gets_and_sglang_our_images(
    instances: Callable[[], tuple[list[Instance], dict[str, Any]]],
) -> None:
    requests, converted = instances()
    sent = [json.dumps(asked.body["messages"], sort_keys=True) for asked in converted["asked"]]
    for messages, settings in converted["vllm"]:
        assert json.dumps(messages, sort_keys=True) in sent
        assert (settings["max_new_tokens"], settings["temperature"], settings["top_p"]) == (256, 0, 0.95)
    for (message,), (images, videos, audios) in converted["sglang"]:
        assert [part["type"] for part in message["content"]] == ["image", "text"]
        assert (len(images), videos, audios) == (1, [], [])
        assert isinstance(images[0], Image.Image)
        assert ImageChops.difference(images[0], message["content"][0]["image"]).getbbox() is None
    assert len(requests) == len(converted["vllm"]) == 4
