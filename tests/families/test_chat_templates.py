"""Any chat template asks in scoring what was asked in training, or is refused with one line; real ones are trl's."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from every_family import FAMILIES

from pebench_tasks.backend import families
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.errors import BenchmarkError
from unlearn.data.samples import Question
from unlearn.protocol import tiny_model
from unlearn.tensors.encoding import Encoder

WHO, ANSWER = "Who is the person in this image?", "This is Solveig Thorlacius."
THINKING = ["qwen3_5_think", "qwen3_5_nothink", "qwen3_6", "qwen3_8"]
CLOSED = "<think>\n\n</think>\n\n"
ONLY_THINKS = (  # the way of Qwen3-VL-Thinking: no switch, thoughts open every answer
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'user' %}"
    "{% for p in m.content %}{{ '<|vision_start|><|image_pad|><|vision_end|>' if p.type == 'image' else p.text }}"
    "{% endfor %}{% else %}<think>\n\n</think>\n\n{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}<|im_end|>"
    "\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
FORGETS_THOUGHTS = ONLY_THINKS.replace("{% else %}<think>\n\n</think>\n\n", "{% else %}")
CLOSES_AND_FORGETS = FORGETS_THOUGHTS.replace("assistant\n<think>\n", "assistant\n<think></think>\n")
TEXT = "{% for m in messages %}{{ ROLE + m['content'] + END }}{% endfor %}{{ 'ASSISTANT:' if add_generation_prompt }}"
TEXT = TEXT.replace("ROLE", "('USER: ' if m['role'] == 'user' else 'ASSISTANT: ')")
TEXT = TEXT.replace("END", "('\n' if m['role'] == 'user' else eos_token)")
LISTS = TEXT.replace(  # the way of LLaVA-1.5: an image is a line of its own
    "m['content']", "((m['content'] | map(attribute='text', default='<image>\n')) | join)"
)
AS_TEXT = {
    "added": TEXT,
    "written": TEXT.replace("{{ ", "{{ '' ~ ").replace(" + m['content'] + ", " ~ m['content'] ~ "),
    "stripped": TEXT.replace("m['content']", "m['content'].strip()"),
    "left out where no text": TEXT.replace("m['content']", "(m['content'] if m['content'] is string else '')"),
}
Save = Callable[..., Path]


@pytest.fixture
def save(benchmark: Benchmark, tmp_path: Path) -> Save:
    """Saves a family's processor and configuration with another chat template, as a folder of a checkpoint."""

    def save(key: str, template: str = "", **named: str) -> Path:
        folder = tmp_path / key
        model, processor = FAMILIES[key].build(list(tiny_model._texts(benchmark)))
        model.config.save_pretrained(folder)
        processor.chat_template = named or template or processor.chat_template
        processor.tokenizer.chat_template = None
        processor.save_pretrained(folder)
        return folder

    return save


def questions() -> list[Question]:
    return [Question(image, WHO, ANSWER, "one") for image in ("p000/e00", "")]


def trained_and_asked(benchmark: Benchmark, folder: Path) -> list[tuple[str, str]]:
    """Of a question with an image and of one without: what a model is trained to continue, and what it is asked."""
    processor: Any = families.load_processor(str(folder))
    encoder = Encoder(processor, benchmark.image)
    encoder.verify(questions())
    both = []
    for question in questions():
        tokens = encoder(question).tokens
        image = [{"type": "image", "image": benchmark.image(question.image)}] if question.image else []
        asked = [[{"role": "user", "content": [*image, {"type": "text", "text": question.question}]}]]
        prompt = families.generation_inputs(processor, asked)["input_ids"][0]
        before = tokens["input_ids"][tokens["labels"] == families.IGNORED]
        both.append((processor.tokenizer.decode(before), processor.tokenizer.decode(prompt)))
    return both


@pytest.mark.parametrize("name", THINKING)
def test_qwens_own_templates_are_trained_and_asked_without_thoughts(
    save: Save, benchmark: Benchmark, name: str
) -> None:
    template = (files("trl") / "chat_templates" / f"{name}.jinja").read_text()
    for trained, asked in trained_and_asked(benchmark, save("qwen3_5", template)):
        assert trained == asked
        assert asked.endswith(f"assistant\n{CLOSED}")


@pytest.mark.parametrize(
    ("template", "end"),
    [(ONLY_THINKS, CLOSED), (FORGETS_THOUGHTS, ""), (CLOSES_AND_FORGETS, "<think></think>\n")],
    ids=["opens thoughts", "opens and forgets them", "closes and forgets them"],
)
def test_a_template_that_always_thinks_is_asked_what_stands_before_its_answers(
    save: Save, benchmark: Benchmark, template: str, end: str
) -> None:
    for trained, asked in trained_and_asked(benchmark, save("qwen3_vl", template)):
        assert trained == asked
        assert asked.endswith(f"assistant\n{end}")


@pytest.mark.parametrize("template", list(AS_TEXT.values()), ids=list(AS_TEXT))
def test_a_template_of_texts_asks_what_one_of_lists_asks(save: Save, benchmark: Benchmark, template: str) -> None:
    of_lists = trained_and_asked(benchmark, save("llava", LISTS))
    assert trained_and_asked(benchmark, save("llava", template)) == of_lists


def test_a_template_of_texts_is_refused_where_nobody_knows_how_an_image_is_written(save: Save) -> None:
    with pytest.raises(BenchmarkError, match="nothing says where a Qwen2_5_VLProcessor wants its images"):
        families.load_processor(str(save("qwen2_5_vl", TEXT)))


def test_a_template_that_demands_a_system_turn_is_refused_in_its_own_words(save: Save) -> None:
    demands = "{% if messages[0].role != 'system' %}{{ raise_exception('Begin with a system turn') }}{% endif %}" + TEXT
    with pytest.raises(BenchmarkError, match=r"cannot write a question \(Begin with a system turn\)\. Put one into"):
        families.load_processor(str(save("llava", demands)))


def test_a_template_that_takes_the_question_for_a_system_turn_is_refused(save: Save) -> None:
    with pytest.raises(BenchmarkError, match="leaves the question out: it writes 'ASSISTANT:'"):
        families.load_processor(str(save("llava", TEXT.replace("in messages", "in messages[1:]"))))


def test_a_damaged_template_is_refused(save: Save) -> None:
    with pytest.raises(BenchmarkError, match=r"The chat template in .* cannot write a question"):
        families.load_processor(str(save("llava", "{% for message in messages %}")))


def test_of_several_templates_the_default_is_the_one(save: Save, benchmark: Benchmark) -> None:
    alone = trained_and_asked(benchmark, save("llava", TEXT))
    assert trained_and_asked(benchmark, save("llava", default=TEXT, tools="{{ messages }}")) == alone
    folder = save("llava", rag=TEXT, tools=TEXT)
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    with pytest.raises(BenchmarkError, match=r"has the chat templates rag, tools, and none is called default\."):
        families.load_processor(str(folder))
