import json
import re
import shutil
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from harness_runs import TASKS, Evaluate, provenance, responses
from lmms_eval.api.instance import Instance
from packaging.version import Version
from PIL import Image

from pebench_tasks.backend.batch_size import FIRST, BatchSize
from pebench_tasks.backend.generation import _cut
from pebench_tasks.backend.pebench_hf import PebenchHf, _device
from pebench_tasks.backend.prefetch import THREAD
from pebench_tasks.backend.prompts import read_prompt
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError

SETTINGS = {"until": [], "max_new_tokens": 12, "temperature": 0.0, "do_sample": False, "num_beams": 1}
SAMPLED = {"do_sample": True, "temperature": 2.0, "top_p": 0.95, "top_k": 0}
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


def test_a_checkpoint_that_cannot_be_answered_fast_says_so_once(
    model: PebenchHf, llava: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On every version of transformers that is tested a plain LLaVA takes the fast way."""
    texts(model, MIXED)
    assert "slower" not in capsys.readouterr().err
    slow = shutil.copytree(llava, tmp_path / "slow")
    settings = json.loads((slow / "generation_config.json").read_text())
    (slow / "generation_config.json").write_text(json.dumps({**settings, "stop_strings": ["nobody says this"]}))
    other = PebenchHf(str(slow), batch_size=2, device="cpu")
    assert texts(other, MIXED) == texts(model, MIXED)
    assert capsys.readouterr().err.count("slower than others: it has stop strings of its own.") == 1


def test_both_tasks_in_one_batch_are_not_mixed(evaluate: Evaluate, llava: Path) -> None:
    together = evaluate("pebench_hf", f"pretrained={llava}", batch_size=8)
    alone = [evaluate("pebench_hf", f"pretrained={llava}", tasks=[task], batch_size=1) for task in TASKS]
    assert responses(together) == responses(alone[0]) | responses(alone[1])
    assert [provenance(together, task)["withheld"] for task in TASKS] == ["", ""]


def test_the_order_of_requests_and_the_batch_size_do_not_matter(model: PebenchHf, llava: Path) -> None:
    one_by_one = [texts(model, [document])[0] for document in MIXED]
    assert texts(model, MIXED) == one_by_one
    assert texts(model, MIXED[::-1]) == one_by_one[::-1]


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@pytest.mark.parametrize("share_prefix", [True, False])
@pytest.mark.parametrize("packed", [True, False])
def test_no_switch_and_no_batch_size_changes_a_text(
    model: PebenchHf, llava: Path, monkeypatch: pytest.MonkeyPatch, packed: bool, share_prefix: bool, batch_size: int
) -> None:
    monkeypatch.setattr("pebench_tasks.backend.packed_linear.SMALLEST", 0)
    switched = PebenchHf(str(llava), batch_size=batch_size, device="cpu", packed=packed, share_prefix=share_prefix)
    assert texts(switched, MIXED) == texts(model, MIXED)


def test_a_result_says_where_linear_layers_were_packed(
    evaluate: Evaluate, llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They round otherwise; the layers of the smallest models are left as they are, and nothing is said."""
    small = evaluate("pebench_hf", f"pretrained={llava},packed=true", tasks=TASKS[:1], limit=1)
    assert "packed" not in provenance(small, TASKS[0])["model"]
    monkeypatch.setattr("pebench_tasks.backend.packed_linear.SMALLEST", 0)
    packed = evaluate("pebench_hf", f"pretrained={llava},packed=true", tasks=TASKS[:1], limit=1)
    assert provenance(packed, TASKS[0])["model"]["packed"] is True
    assert responses(packed) == responses(small)


def test_text_only_documents_are_answered(model: PebenchHf) -> None:
    with_image, without = texts(model, [("Who?", picture(1)), ("Who?", None)])
    assert with_image != without


def test_the_same_image_and_text_are_generated_once(model: PebenchHf, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    generate = model._generate

    def counted(batch: Any, few: bool) -> Any:
        asked.extend(batch.prompts)
        return generate(batch, few)

    monkeypatch.setattr(model, "_generate", counted)
    found = texts(model, [*MIXED, *MIXED])
    assert len(asked) == len(MIXED) - 1  # the first and the last are twins already
    assert found == [*texts(model, MIXED), *texts(model, MIXED)]


def test_sampled_answers_are_drawn_for_every_request(model: PebenchHf) -> None:
    """Four documents with the same question, and one document asked four times."""
    drawn = texts(model, [MIXED[0]] * 4, **SAMPLED)
    assert len(set(drawn)) > 1
    repeated = [request for request in requests(model, MIXED[:1], **SAMPLED) for _ in range(4)]
    again = [result.text for result in model.generate_until(repeated)]
    assert len(set(again)) > 1
    assert again[0] == drawn[0]


def test_a_sampled_answer_is_the_same_whatever_is_asked_beside_it(
    model: PebenchHf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone and in batches, after other draws, and with other ones before it in the list."""
    asked = requests(model, MIXED, **SAMPLED)
    together = [result.text for result in model.generate_until(asked)]
    torch.manual_seed(1)
    torch.rand(3)
    assert [model.generate_until([request])[0].text for request in asked] == together
    assert [result.text for result in model.generate_until(asked[::-1])] == together[::-1]
    monkeypatch.setattr(model, "size", BatchSize(2))
    assert [result.text for result in model.generate_until(asked)] == together
    assert together != texts(model, MIXED)


def test_requests_with_other_settings_are_other_requests(model: PebenchHf) -> None:
    long, short = (texts(model, MIXED[:1], max_new_tokens=count)[0] for count in (12, 3))
    assert len(short) < len(long)
    mixed = requests(model, [MIXED[0], MIXED[0]])
    mixed[1].arguments[2]["max_new_tokens"] = 3
    assert [result.text for result in model.generate_until(mixed)] == [long, short]


def test_answers_are_cut_at_the_first_stop_string() -> None:
    assert _cut("one. two\n\nthree", ["\n\n", "two"]) == "one. "
    assert _cut("one", ["n"]) == "o"
    assert _cut("one", ["x"]) == "one"


def test_until_of_the_task_is_honoured(model: PebenchHf) -> None:
    (text,) = texts(model, MIXED[:1])
    (cut,) = texts(model, MIXED[:1], until=[text[3:5]])
    assert cut == text[: text.index(text[3:5])]


def test_an_error_while_documents_are_read_is_an_error(model: PebenchHf) -> None:
    asked = requests(model, MIXED)

    def broken(doc: dict[str, Any]) -> list[dict[str, Any]]:
        raise SystemExit("error: the image is damaged")

    asked[3].arguments = (asked[3].args[0], broken, *asked[3].args[2:])
    with pytest.raises(SystemExit, match="the image is damaged"):
        model.generate_until(asked)


def test_an_image_is_encoded_once_however_many_questions_are_asked(
    model: PebenchHf, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents: list[tuple[str, Image.Image | None]] = [
        (f"{question}?", picture(image)) for question in ("Who", "What", "Where") for image in range(1, 6)
    ]
    one_by_one = [texts(model, [document])[0] for document in documents]
    encoded: list[int] = []
    tower = model.model.model.vision_tower
    hook = tower.register_forward_pre_hook(lambda _, images: encoded.append(len(images[0])))
    model.features.clear()
    found = texts(model, documents)
    hook.remove()
    assert found == one_by_one
    if Version(version("transformers")) >= Version("5.18"):  # before, generate takes no features in place of images
        assert sum(encoded) == 5
    model.features.clear()
    monkeypatch.setattr(model.features, "usable", False)
    assert texts(model, documents) == one_by_one


def test_a_batch_that_is_too_large_for_the_memory_is_answered_in_parts(
    model: PebenchHf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = texts(model, MIXED)
    tried: list[int] = []
    generate = model.model.generate

    def bounded(input_ids: torch.Tensor, **inputs: Any) -> Any:
        tried.append(len(input_ids))
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return generate(input_ids=input_ids, **inputs)

    monkeypatch.setattr(model.model, "generate", bounded)
    monkeypatch.setattr(model, "size", BatchSize(4))
    assert texts(model, MIXED) == whole
    assert tried.count(4) == 1  # the next batch is not tried again at that size
    assert model.batch_size == 2
    assert capsys.readouterr().err.count("out of memory with 4 prompts at once; going on with 2") == 1


def test_a_prompt_that_is_too_large_for_the_memory_ends_with_a_message(
    model: PebenchHf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(**inputs: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(model.model, "generate", never)
    monkeypatch.setattr(model, "size", BatchSize(4))
    with pytest.raises(SystemExit, match=r"cannot answer even one prompt in the memory of cpu \(CUDA out of memory"):
        texts(model, MIXED)


def test_a_batch_that_failed_holds_nothing_on_the_device(model: PebenchHf, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = model._prepared([read_prompt(requests(model, MIXED)[0], model.task_dict, 0)])
    before = batch.inputs["pixel_values"]
    monkeypatch.setattr(model, "dtype", torch.bfloat16)
    monkeypatch.setattr(model.features, "instead_of_images", lambda inputs, _: pytest.fail(str(inputs["input_ids"])))
    with pytest.raises(pytest.fail.Exception):
        model._generate(batch, False)
    assert batch.inputs["pixel_values"] is before


def test_a_thread_that_is_still_reading_does_not_open_the_journal_again(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = PebenchHf(str(llava), batch_size=1, device="cpu", journal=str(tmp_path / "journal"))
    asked = requests(model, MIXED)
    slow, begun = threading.Event(), threading.Event()
    messages = asked[1].args[1]

    def reading(doc: dict[str, Any]) -> list[dict[str, Any]]:
        begun.set()
        assert slow.wait(60)
        found: list[dict[str, Any]] = messages(doc)
        return found

    asked[1].arguments = (asked[1].args[0], reading, *asked[1].args[2:])

    def fail(batch: Any, few: bool) -> Any:
        assert begun.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "_generate", fail)
    with pytest.raises(KeyboardInterrupt):
        model.generate_until(asked)
    (thread,) = [thread for thread in threading.enumerate() if thread.name.startswith(THREAD)]
    slow.set()
    thread.join(60)
    assert model.journal._file is None


def test_what_an_interrupted_run_answered_is_not_asked_again(
    llava: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = PebenchHf(str(llava), batch_size=2, device="cpu", journal=str(tmp_path / "journal"))
    whole = texts(PebenchHf(str(llava), batch_size=2, device="cpu"), MIXED)
    generate = first._generate
    batches: list[Any] = []

    def interrupted(batch: Any, few: bool) -> Any:
        batches.append(batch)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return generate(batch, few)

    monkeypatch.setattr(first, "_generate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        texts(first, MIXED)
    second = PebenchHf(str(llava), batch_size=2, device="cpu", journal=str(tmp_path / "journal"))
    asked: list[Any] = []
    go_on = second._generate

    def counted(batch: Any, few: bool) -> Any:
        asked.extend(batch.prompts)
        return go_on(batch, few)

    monkeypatch.setattr(second, "_generate", counted)
    assert texts(second, MIXED) == whole
    assert len(asked) == len(MIXED) - 1 - 4  # twins once, four answered


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


def slip(*_: Any, **__: Any) -> None:
    raise ValueError("a slip")


@pytest.mark.parametrize("place", ["pebench_hf.answer", "generation.RunningBatch", "generation.pad_sequence"])
def test_an_error_of_our_own_is_not_called_the_checkpoint_s(
    llava: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Not in the first batch either: before ``generate`` of transformers, and within it."""
    monkeypatch.setattr(f"pebench_tasks.backend.{place}", slip)
    with pytest.raises(ValueError, match=r"^a slip$"):
        texts(PebenchHf(str(llava), device="cpu"), MIXED[:1])


def test_a_processor_of_another_image_size_is_said_to_be_refused(llava: Path, tmp_path: Path) -> None:
    folder = tmp_path / "resized"
    shutil.copytree(llava, folder)
    file = folder / "processor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"patch_size": 4}))
    with pytest.raises(SystemExit, match=f"^error: {folder} refuses what its processor makes of a question, or a"):
        texts(PebenchHf(str(folder), device="cpu"), MIXED[:1])


def test_a_generation_setting_of_the_command_is_not_called_the_checkpoint_s(llava: Path) -> None:
    with pytest.raises(SystemExit, match=r"^error: .* or a generation setting \(.*, of --gen_kwargs\): .*-1"):
        texts(PebenchHf(str(llava), device="cpu"), MIXED[:1], max_new_tokens=-1)


def test_on_a_cpu_the_numbers_are_float32_unless_asked(model: PebenchHf, llava: Path) -> None:
    assert next(model.model.parameters()).dtype == torch.float32
    asked = PebenchHf(str(llava), device="cpu", dtype="bfloat16")
    assert next(asked.model.parameters()).dtype == torch.bfloat16


def test_model_args_win_over_the_options_of_the_command(llava: Path) -> None:
    options = {"batch_size": 1, "max_batch_size": None, "device": "cpu"}
    assert PebenchHf.create_from_arg_string(f"pretrained={llava}", options).batch_size == 1
    assert PebenchHf.create_from_arg_string(f"pretrained={llava},batch_size=8", options).batch_size == 8
    assert PebenchHf.create_from_arg_string(f"pretrained={llava},batch_size=auto", options).batch_size == FIRST


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("pretrained=x,max_pixels=3", "pebench_hf has no argument 'max_pixels'. Known: pretrained, batch_size, device"),
        ("self=3,pretrained=x", "pebench_hf has no argument 'self'"),
        ("", "pebench_hf needs a checkpoint:  --model_args pretrained=DIR"),
        ("pretrained=", "pebench_hf needs a checkpoint"),
        ("dtype=float32", "pebench_hf needs a checkpoint"),
        ("/some/folder", "--model_args must be name=value,name=value ..., not '/some/folder'"),
        ("pretrained=/nope", "There is no folder /nope, and a model of the hub is called owner/name"),
        ("pretrained=nope", "There is no folder nope"),
        ("pretrained=7", "There is no folder 7"),
        ("pretrained=x,dtype=7,device=cpu", "There is no dtype '7'|There is no folder x"),
    ],
)
def test_wrong_model_arguments_exit_with_a_message(words: str, message: str) -> None:
    """The harness would print a traceback of any other error, and exit with 0."""
    with pytest.raises(SystemExit, match=f"^error: ({message if '|' in message else re.escape(message)})"):
        PebenchHf.create_from_arg_string(words, {"batch_size": 1, "max_batch_size": None, "device": "cpu"})


def test_a_benchmark_folder_is_no_checkpoint(benchmark: Benchmark) -> None:
    with pytest.raises(SystemExit, match=r"error: .* is a benchmark folder \(--data\), not a checkpoint"):
        PebenchHf(str(benchmark.directory), device="cpu")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be a whole number"),
        ({"max_batch_size": 0}, "max_batch_size must be a whole number"),
        ({"dtype": "foo"}, "There is no dtype 'foo'. Choose auto, float32"),
        ({"dtype": "int8"}, "There is no dtype 'int8'"),
        ({"device": "foo"}, "There is no device 'foo'"),
        ({"attn_implementation": "flash_attention_2"}, "cannot be loaded"),
    ],
)
def test_a_wrong_argument_exits_with_a_message(llava: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        PebenchHf(str(llava), **{"device": "cpu", **arguments})


def test_a_journal_that_cannot_be_opened_exits_with_a_message(llava: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BenchmarkError("its answers cannot be kept")

    monkeypatch.setattr("pebench_tasks.backend.pebench_hf.identify", refuse)
    with pytest.raises(SystemExit, match="error: its answers cannot be kept"):
        PebenchHf(str(llava), device="cpu", journal="journal")


def test_under_torchrun_only_the_cpu_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    own = torch.device("cuda:1")
    assert _device(None, own) == _device("cuda", own) == _device("cuda:1", own) == own
    assert _device("cpu", own) == torch.device("cpu")
    with pytest.raises(BenchmarkError, match=r"this one cuda:1, not cuda:0\. Leave the device out"):
        _device("cuda:0", own)
    assert _device("cuda:0", None) == torch.device("cuda:0")
