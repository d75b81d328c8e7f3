"""A tokenizer that ends every text ends no question, whoever makes it do so; what it begins a text with stays."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import AutoConfig, AutoTokenizer

from pebench_tasks.backend import families
from pebench_tasks.backend.end_tokens import end_no_prompt
from pebench_tasks.benchmark.reading import Benchmark
from unlearn.data.samples import Question
from unlearn.tensors.encoding import Encoder

ENDS = [(["$A:0", "</s>:0"], ""), (["<pad>:0", "$A:0", "</s>:0"], "<pad>"), (["$A:0", "</s>:0", "</s>:0"], "")]


@pytest.fixture(params=ENDS, ids=["end", "begin and end", "two ends"])
def ending(request: pytest.FixtureRequest, llava: Path, tmp_path: Path) -> tuple[Path, str]:
    """The tiny model whose tokenizer puts ``</s>`` behind every text, and what it puts before one."""
    folder = shutil.copytree(llava, tmp_path / "ending")
    pieces, before = request.param
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    named = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("</s>", "<pad>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=pieces, pair=[*pieces, "$B:1", "</s>:1"], special_tokens=named
    )
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    assert AutoTokenizer.from_pretrained(folder)("a")["input_ids"][-1] == tokenizer.eos_token_id
    return folder, before


def test_a_prompt_ends_with_what_the_template_wrote(ending: tuple[Path, str], llava: Path) -> None:
    asked = [[{"role": "user", "content": [{"type": "text", "text": "Who is this?"}]}]]
    folder, before = ending
    tidy = families.generation_inputs(families.load_processor(str(llava)), asked)["input_ids"][0].tolist()
    processor: Any = families.load_processor(str(folder))
    begin = [processor.tokenizer.convert_tokens_to_ids(before)] if before else []
    assert families.generation_inputs(processor, asked)["input_ids"][0].tolist() == [*begin, *tidy]


def test_an_answer_is_trained_to_end_once(ending: tuple[Path, str], benchmark: Benchmark) -> None:
    encoder = Encoder(families.load_processor(str(ending[0])), benchmark.image)
    question = Question("p000/e00", "Who is this?", "This is Ada.", "one")
    encoder.verify([question])
    assert encoder(question).tokens["input_ids"].tolist().count(encoder.processor.tokenizer.eos_token_id) == 1


def test_a_model_is_asked_the_same_once_it_was_saved_again(ending: tuple[Path, str], tmp_path: Path) -> None:
    processor: Any = families.load_processor(str(ending[0]))
    processor.save_pretrained(tmp_path / "again")
    shutil.copy(ending[0] / "config.json", tmp_path / "again")
    again: Any = families.load_processor(str(tmp_path / "again"))
    assert again.tokenizer("a")["input_ids"] == processor.tokenizer("a")["input_ids"]


def test_a_model_with_an_encoder_reads_the_end_of_its_question(ending: tuple[Path, str]) -> None:
    folder = ending[0]
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    config: Any = AutoConfig.for_model("t5", is_encoder_decoder=True)
    config.save_pretrained(folder)
    end_no_prompt(tokenizer, str(folder), False)
    assert tokenizer("a")["input_ids"][-1] == tokenizer.eos_token_id
