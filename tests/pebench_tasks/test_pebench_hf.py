import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_runs import TASKS, Evaluate, provenance, responses
from lmms_eval.api.instance import Instance
from PIL import Image

from pebench_tasks.pebench_hf import PebenchHf, _cut

SETTINGS = {"until": [], "max_new_tokens": 12, "temperature": 0.0, "do_sample": False, "num_beams": 1}
STOCK = "device_map=cpu,device=cpu"


@pytest.fixture(scope="module")
def model(llava: Path) -> PebenchHf:
    return PebenchHf(str(llava), batch_size=4, device="cpu")


def requests(model: PebenchHf, documents: list[tuple[str, Image.Image | None]], **settings: Any) -> list[Instance]:
    """One request a document, built as the harness builds them for chat models."""
    model.task_dict["task"] = {"test": [{"text": text, "image": image} for text, image in documents]}

    def messages(doc: dict[str, Any]) -> list[dict[str, Any]]:
        content = [] if doc["image"] is None else [{"type": "image", "url": doc["image"]}]
        return [{"role": "user", "content": [*content, {"type": "text", "text": doc["text"]}]}]

    return [
        Instance(
            request_type="generate_until",
            arguments=(text, messages, {**SETTINGS, **settings}, i, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": i, "repeats": 1},
        )
        for i, (text, _) in enumerate(documents)
    ]


def picture(seed: int) -> Image.Image:
    torch.manual_seed(seed)
    return Image.fromarray(torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8).numpy())


def texts(model: PebenchHf, documents: list[tuple[str, Image.Image | None]], **settings: Any) -> list[str]:
    return [result.text for result in model.generate_until(requests(model, documents, **settings))]


MIXED: list[tuple[str, Image.Image | None]] = [
    ("Who is the person in this image?", picture(1)),
    ("Describe the scene in detail.", picture(1)),
    ("Who?", None),
    ("Who is the person in this image?", picture(2)),
    ("Describe the scene in detail.", None),
    ("Is there a dog in the image?", picture(3)),
    ("Who is the person in this image?", picture(1)),
]


def test_texts_equal_the_stock_backend_at_batch_size_one(evaluate: Evaluate, llava: Path) -> None:
    ours = evaluate("pebench_hf", f"pretrained={llava}", batch_size=7)
    stock = evaluate("llava_hf", f"pretrained={llava},{STOCK}", batch_size=1)
    assert responses(ours) == responses(stock)
    assert any(responses(ours).values())


def test_both_tasks_in_one_batch_are_not_mixed(evaluate: Evaluate, llava: Path) -> None:
    together = evaluate("pebench_hf", f"pretrained={llava}", batch_size=8)
    alone = [evaluate("pebench_hf", f"pretrained={llava}", tasks=[task], batch_size=1) for task in TASKS]
    assert responses(together) == responses(alone[0]) | responses(alone[1])
    assert [provenance(together, task)["withheld"] for task in TASKS] == ["", ""]


def test_the_order_of_requests_and_the_batch_size_do_not_matter(model: PebenchHf, llava: Path) -> None:
    one_by_one = [texts(model, [document])[0] for document in MIXED]
    assert texts(model, MIXED) == one_by_one
    assert texts(model, MIXED[::-1]) == one_by_one[::-1]


def test_text_only_documents_are_answered(model: PebenchHf) -> None:
    with_image, without = texts(model, [("Who?", picture(1)), ("Who?", None)])
    assert with_image != without


def test_the_same_image_and_text_are_generated_once(model: PebenchHf, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    answer = model._answer
    monkeypatch.setattr(model, "_answer", lambda prompts: [asked.extend(prompts), answer(prompts)][1])
    found = texts(model, [*MIXED, *MIXED])
    assert len(asked) == len(MIXED) - 1  # the first and the last are twins already
    assert found == [*texts(model, MIXED), *texts(model, MIXED)]


def test_sampled_answers_are_drawn_for_every_request(model: PebenchHf) -> None:
    torch.manual_seed(0)
    drawn = texts(model, [MIXED[0]] * 4, do_sample=True, temperature=2.0)
    assert len(set(drawn)) > 1


def test_requests_with_other_settings_are_other_requests(model: PebenchHf) -> None:
    long, short = (texts(model, MIXED[:1], max_new_tokens=count)[0] for count in (12, 3))
    assert len(short) < len(long)
    mixed = requests(model, [MIXED[0], MIXED[0]])
    mixed[1].arguments[2]["max_new_tokens"] = 3
    assert [result.text for result in model.generate_until(mixed)] == [long, short]


def test_answers_are_cut_at_the_first_stop_string() -> None:
    assert _cut("one. two\n\nthree", ["\n\n", "two"]) == "one. "
    assert _cut("one", "n") == "o"
    assert _cut("one", ["", "x"]) == "one"


def test_until_of_the_task_is_honoured(model: PebenchHf) -> None:
    (text,) = texts(model, MIXED[:1])
    (cut,) = texts(model, MIXED[:1], until=[text[3:5]])
    assert cut == text[: text.index(text[3:5])]


def test_an_error_of_the_model_is_an_error(model: PebenchHf, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**inputs: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model.model, "generate", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        texts(model, MIXED)


def test_a_processor_that_lost_its_chat_template_uses_the_tokenizers(
    llava: Path, model: PebenchHf, tmp_path: Path
) -> None:
    folder = shutil.copytree(llava, tmp_path / "lost")
    (folder / "chat_template.jinja").unlink()
    processor, tokenizer = model.processor, model.processor.tokenizer
    assert processor.chat_template
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"chat_template": tokenizer.chat_template}))
    lost = PebenchHf(str(folder), batch_size=4, device="cpu")
    lost.processor.chat_template = None
    assert texts(lost, MIXED) == texts(model, MIXED)


def test_a_checkpoint_without_any_chat_template_is_refused(llava: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(llava, tmp_path / "none")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(SystemExit, match=r"error: Neither the processor nor the tokenizer .* has a chat template"):
        PebenchHf(str(folder), device="cpu")


@pytest.mark.parametrize("own_processor", [True, False])
def test_an_adapter_answers_like_its_merged_model(llava: Path, tmp_path: Path, own_processor: bool) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText, AutoProcessor

    base = AutoModelForImageTextToText.from_pretrained(llava)
    config = LoraConfig(r=4, target_modules=r".*language_model.*\.(q_proj|v_proj|o_proj)", init_lora_weights=False)
    torch.manual_seed(0)
    adapted = get_peft_model(base, config)
    adapted.save_pretrained(tmp_path / "adapter")
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    processor = AutoProcessor.from_pretrained(llava)
    processor.save_pretrained(tmp_path / "merged")
    if own_processor:
        processor.save_pretrained(tmp_path / "adapter")
    found = texts(PebenchHf(str(tmp_path / "adapter"), batch_size=4, device="cpu"), MIXED)
    assert found == texts(PebenchHf(str(tmp_path / "merged"), batch_size=4, device="cpu"), MIXED)
    assert found != texts(PebenchHf(str(llava), batch_size=4, device="cpu"), MIXED)


def test_a_checkpoint_that_cannot_be_loaded_exits_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(SystemExit, match=f"error: The .* in {tmp_path} cannot be loaded"):
        PebenchHf(str(tmp_path), device="cpu")


def test_on_a_cpu_the_numbers_are_float32_unless_asked(model: PebenchHf, llava: Path) -> None:
    assert next(model.model.parameters()).dtype == torch.float32
    asked = PebenchHf(str(llava), device="cpu", dtype="bfloat16")
    assert next(asked.model.parameters()).dtype == torch.bfloat16


def test_model_args_win_over_the_options_of_the_command(llava: Path) -> None:
    options = {"batch_size": 1, "max_batch_size": None, "device": "cpu"}
    assert PebenchHf.create_from_arg_string(f"pretrained={llava}", options).batch_size == 1
    assert PebenchHf.create_from_arg_string(f"pretrained={llava},batch_size=8", options).batch_size == 8
    assert PebenchHf.create_from_arg_string(f"pretrained={llava},batch_size=auto", options).batch_size == 32


def test_an_unknown_model_argument_is_refused(llava: Path) -> None:
    with pytest.raises(TypeError, match="max_pixels"):
        PebenchHf.create_from_arg_string(f"pretrained={llava},max_pixels=3", {"device": "cpu"})
