"""Whatever stands in a ``generation_config.json``: answers are those of ``generate`` with the task's settings."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_runs import Evaluate, provenance, responses
from PIL import Image
from transformers import GenerationConfig

from pebench_tasks.backend import families
from pebench_tasks.backend.drafts import Drafts
from pebench_tasks.backend.generation import answer
from pebench_tasks.backend.generation_settings import (
    ANOTHER_DECODING,
    OBEYED,
    WITHOUT_A_TRACE,
    OwnSettings,
    own_settings,
)

TOKENS = 16
QUESTIONS = ("Who is the person?", "Describe the scene in detail.", "Is there a dog?", "What?")
Loads = Callable[..., tuple[Any, Any]]
FOLLOWED: list[dict[str, Any]] = [  # what the checkpoint says, and so does ``generate``
    {"repetition_penalty": 1.5},
    {"no_repeat_ngram_size": 2},
    {"encoder_repetition_penalty": 5.0},
    {"encoder_no_repeat_ngram_size": 1},
    {"bad_words_ids": [[token] for token in range(260, 500)]},
    {"sequence_bias": [[[300], 20.0]]},
    {"suppress_tokens": list(range(260, 400))},
    {"begin_suppress_tokens": list(range(260, 600))},
    {"forced_eos_token_id": 2},
    {"min_length": 60},
    {"min_new_tokens": 5},
    {"exponential_decay_length_penalty": [2, 1.5]},
    {"guidance_scale": 1.5},
    {"watermarking_config": {"greenlist_ratio": 0.25, "bias": 5.0}},
    {"renormalize_logits": True},
    {"remove_invalid_values": True},
    {"stop_strings": ["e", "an"]},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "suppress_tokens": [300], "use_cache": False},
]
PASSED_OVER: list[dict[str, Any]] = [  # what changes nothing, or what the task has decided otherwise
    {"use_cache": False},
    {"cache_implementation": "static"},
    {"cache_implementation": "offloaded"},
    {"cache_implementation": "quantized"},
    {"cache_implementation": "hybrid"},
    {"prefill_chunk_size": 4},
    {"max_length": 5},
    {"return_dict_in_generate": True, "output_scores": True},
    {"output_attentions": True, "output_hidden_states": True},
    {"do_sample": True, "temperature": 5.0, "top_k": 0, "top_p": 0.9, "min_p": 0.1, "typical_p": 0.5},
    {"num_beams": 4, "length_penalty": 3.0, "early_stopping": True},
    {"num_beams": 4, "num_return_sequences": 2},
    {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 1.0},
    {"penalty_alpha": 0.6, "top_k": 4},
    {"dola_layers": "high"},
    {"force_words_ids": [[300]]},
    {"prompt_lookup_num_tokens": 3},
    {"assistant_early_exit": 1},
    {"use_mtp": True},
    {"max_time": 1e-6},
    {"token_healing": True},
]


@pytest.fixture
def load(llava: Path, tmp_path: Path) -> Loads:
    """The tiny model from a folder whose ``generation_config.json`` says this as well, and its processor."""

    def load(**said: Any) -> tuple[Any, Any]:
        folder = _folder(llava, tmp_path, said)
        return families.load_model(str(folder), torch.float32).eval(), families.load_processor(str(folder))

    return load


def _folder(llava: Path, tmp_path: Path, said: dict[str, Any]) -> Path:
    folder = shutil.copytree(llava, tmp_path / f"checkpoint{len(list(tmp_path.iterdir()))}")
    config = folder / "generation_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | said))
    return folder


def asked(processor: Any, number: int) -> Any:
    torch.manual_seed(number)
    image = Image.fromarray(torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8).numpy())
    content = [{"type": "image", "image": image}, {"type": "text", "text": QUESTIONS[number]}]
    return [{"role": "user", "content": content}]


def of(model: Any, processor: Any) -> OwnSettings:
    """What the checkpoint says, to one who fills prompts up with the tokenizer's token."""
    return own_settings(model, processor.tokenizer.pad_token_id)


def ours(model: Any, processor: Any) -> list[str]:
    """As the backend asks: all at once, or one by one where its settings want that."""
    conversations = [asked(processor, number) for number in range(len(QUESTIONS))]
    batches = [[one] for one in conversations] if of(model, processor).alone else [conversations]
    found = []
    for batch in batches:
        inputs = families.generation_inputs(processor, batch)
        found += answer(model, processor.tokenizer, inputs, {"max_new_tokens": TOKENS}, Drafts())
    return [one.text for one in found if one is not None]


def stock(model: Any, processor: Any) -> list[str]:
    """``generate`` of transformers on each prompt alone, greedy and of the task's length."""
    texts = []
    for number in range(len(QUESTIONS)):
        inputs = families.generation_inputs(processor, [asked(processor, number)])
        reads = {"tokenizer": processor.tokenizer} if model.generation_config.stop_strings else {}
        tokens = model.generate(**inputs, **reads, max_new_tokens=TOKENS, do_sample=False, num_beams=1)
        texts.append(processor.tokenizer.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
    return texts


@pytest.mark.parametrize("said", FOLLOWED, ids=lambda said: "+".join(said))
def test_settings_that_a_checkpoint_brings_are_obeyed_as_generate_obeys_them(load: Loads, said: dict[str, Any]) -> None:
    model, processor = load(**said)
    assert ours(model, processor) == stock(model, processor)
    assert of(model, processor).obeyed.keys() == said.keys() - {"use_cache"}


def test_a_repetition_penalty_reads_padding_that_is_the_end_token(load: Loads) -> None:
    """As where a tokenizer has no token for padding: the end of an answer must not be made unlikely by neighbours."""
    model, processor = load(repetition_penalty=1.3)
    assert not of(model, processor).alone
    processor.tokenizer.pad_token = processor.tokenizer.eos_token
    model.generation_config.eos_token_id = [7, processor.tokenizer.eos_token_id]
    assert of(model, processor).alone
    assert ours(model, processor) == stock(model, processor)


def test_the_settings_of_these_tests_change_answers(load: Loads) -> None:
    """Else they would be obeyed by whoever passes over them. Four do nothing to this model's answers, or cannot."""
    tidy = ours(*load())
    idle = {
        "renormalize_logits",
        "remove_invalid_values",
        "min_length",
        "min_new_tokens",
        "encoder_no_repeat_ngram_size",
    }
    changed = {name: ours(*load(**said)) != tidy for said in FOLLOWED for name in said if len(said) == 1}
    assert {name for name, differs in changed.items() if not differs} <= idle


@pytest.mark.parametrize("said", PASSED_OVER, ids=lambda said: "+".join(f"{k}={v}" for k, v in said.items()))
def test_the_task_decides_what_decoding_it_is(load: Loads, said: dict[str, Any]) -> None:
    model, processor = load(**said)
    assert ours(model, processor) == stock(*load())
    assert not of(model, processor).obeyed


def test_without_a_cache_generate_says_the_same(load: Loads) -> None:
    """The images are in the prompt, whether they are read once or with every token."""
    model, processor = load(use_cache=False)
    assert ours(model, processor) == stock(model, processor)


@pytest.mark.parametrize("name", ["config.json", "text_config"])
def test_a_configuration_that_switches_the_cache_off_changes_no_answer(
    load: Loads, llava: Path, tmp_path: Path, name: str
) -> None:
    """As it is left by training with gradient checkpointing; older folders have no ``generation_config.json``."""
    folder = _folder(llava, tmp_path, {})
    (folder / "generation_config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (config if name == "config.json" else config["text_config"])["use_cache"] = False
    (folder / "config.json").write_text(json.dumps(config))
    model = families.load_model(str(folder), torch.float32).eval()
    assert ours(model, families.load_processor(str(folder))) == stock(*load())


def test_every_setting_of_transformers_has_its_place() -> None:
    """A new one must be looked at: does it change greedy answers?"""
    ordinary = {"max_new_tokens", "do_sample", "num_beams", "pad_token_id", "bos_token_id", "eos_token_id"}
    of_sampling = {"temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"}
    of_beams = {"early_stopping", "length_penalty", "diversity_penalty", "low_memory"}
    of_assistants = {
        "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold",
        "max_matching_ngram_size", "assistant_lookbehind", "target_lookbehind", "assistant_ensemble_weight",
    }  # fmt: skip
    nothing = {"disable_compile", "continuous_batching_config", "decoder_start_token_id", "transformers_version"}
    known = {*OBEYED, *ANOTHER_DECODING, *WITHOUT_A_TRACE, *ordinary, *of_sampling, *of_beams, *of_assistants, *nothing}
    assert {name for name in vars(GenerationConfig()) if not name.startswith("_")} <= known


def test_what_is_obeyed_stands_in_the_results_and_is_said_once(
    evaluate: Evaluate, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _folder(llava, tmp_path, {"repetition_penalty": 1.5, "dola_layers": "high", "use_cache": False})
    results = evaluate("pebench_hf", f"pretrained={folder}", limit=4)
    assert provenance(results)["model"]["generation"] == {"repetition_penalty": 1.5}
    said = capsys.readouterr().err
    assert said.count("has generation settings of its own, obeyed: repetition_penalty=1.5.") == 1
    assert said.count("another decoding than the task, which stands: not dola_layers=high") == 1
    assert any(responses(results).values())
    assert "generation" not in provenance(evaluate("pebench_hf", f"pretrained={llava}", limit=4))["model"]


def test_settings_that_transformers_refuses_are_one_line(evaluate: Evaluate, llava: Path, tmp_path: Path) -> None:
    folder = _folder(llava, tmp_path, {"bad_words_ids": [[-1]]})
    with pytest.raises(SystemExit, match=r"error: .* a generation setting \(of its generation_config\.json"):
        evaluate("pebench_hf", f"pretrained={folder}", limit=4)
