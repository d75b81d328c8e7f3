"""The judge on a real OpenAI-compatible server, ``transformers serve``, with a tiny model made on the spot."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from judges import SCENE
from served_model import serve
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.endpoint import Patience
from pebench_tasks.judge.judge import Judge, choose_judge

pytestmark = pytest.mark.slow


def save_model_that_says(text: str, folder: Path) -> None:
    """A language model of one layer over bytes that answers ``text``, whatever it is asked."""
    torch.manual_seed(0)
    bytes_alone = Tokenizer(models.BPE())
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_alone.decoder = decoders.ByteLevel()
    special = ["<pad>", "</s>", "<answer>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    bytes_alone.train_from_iterator([], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_alone, pad_token="<pad>", eos_token="</s>")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}<answer>"
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=8192,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    answer = tokenizer(f"<answer>{text}</s>", return_tensors="pt").input_ids[0]  # (answer tokens)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        rows = torch.randint(len(special), len(tokenizer), (8, 40))  # (batch, tokens): any words, then the answer
        rows[:, -len(answer) :] = answer
        labels = rows.clone()
        labels[:, : 1 - len(answer)] = -100
        model(input_ids=rows, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of the server and the folder of the model that it serves."""
    folder: Path = tmp_path_factory.mktemp("judge") / "model"
    save_model_that_says("4", folder)
    with serve(folder, folder.parent / "log", patience=240) as address:
        yield address, folder


def judge_of(model: str, address: str, cache: Path) -> Judge:
    environ = {
        "PEBENCH_JUDGE": f"openai:{model}",
        "OPENAI_API_KEY": "any",
        "OPENAI_BASE_URL": address,
        "PEBENCH_JUDGE_CACHE": str(cache),
    }
    judge = choose_judge(environ, Patience(attempts=2, timeout=60))
    assert judge is not None
    return judge


def test_a_real_server_judges(served: tuple[str, Path], tmp_path: Path) -> None:
    address, folder = served
    judge = judge_of(str(folder), address, tmp_path)
    with ThreadPoolExecutor(4) as pool:
        judged = list(pool.map(lambda i: judge.efficacy(*SCENE, f"A hall with {i} chairs."), range(8)))
    # It takes all settings and returns no probabilities.
    assert judged == [(0.75, {"weights": {"4": 1.0}, "source": "text"})] * 8
    assert judge.facts()["probabilities"] is False
    assert judge.facts()["not_taken"] == []
    assert (judge.calls, judge.failed) == (9, 0)
    again = judge_of(str(folder), address, tmp_path)
    assert again.retain(*SCENE[:2], "A lake.").value == 0.75
    assert again.efficacy(*SCENE, "A hall with 0 chairs.") == judged[0]
    assert (again.calls, again.cached) == (1, 1)


def test_a_real_server_refuses_a_model_that_it_does_not_have(served: tuple[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"The judge refuses: HTTP 400.*pinned to"):
        _ = judge_of("gpt-4o", served[0], tmp_path).fingerprint
