"""Several turns, several images, an answer that is begun: what pebench_hf makes of them, and what it says it can."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lmms_eval.api.instance import Instance
from PIL import Image

from pebench_tasks.backend import chat
from pebench_tasks.backend.conversations import BEGUN, IMAGES, TURNS, abilities
from pebench_tasks.backend.pebench_hf import PebenchHf

SETTINGS = {"until": [], "max_new_tokens": 12, "temperature": 0.0, "do_sample": False, "num_beams": 1}
WHO, NAMED = "Who is the person in this image?", "This is Ada Quill."
Turns = list[dict[str, Any]]


@pytest.fixture(scope="module")
def model(llava: Path) -> PebenchHf:
    return PebenchHf(str(llava), batch_size=4, device="cpu")


def picture(seed: int) -> Image.Image:
    torch.manual_seed(seed)
    return Image.fromarray(torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8).numpy())


def user(image: Image.Image | None = None, text: str = WHO) -> dict[str, Any]:
    shown = [] if image is None else [{"type": "image", "url": image}]
    return {"role": "user", "content": [*shown, {"type": "text", "text": text}]}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def talk(*seeds: int) -> Turns:
    """Some examples with their answers, then the question about the last picture."""
    *examples, asked = map(picture, seeds)
    return [turn for image in examples for turn in (user(image), assistant(NAMED))] + [user(asked)]


def answers(model: PebenchHf, talks: list[Turns]) -> list[str]:
    model.task_dict["task"] = {"test": talks}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(WHO, lambda turns: turns, SETTINGS, i, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": i, "repeats": 1},
        )
        for i in range(len(talks))
    ]
    return [result.text for result in model.generate_until(requests)]


def test_several_images_are_read_each_in_its_turn_in_a_batch_as_alone(model: PebenchHf, llava: Path) -> None:
    """The shared beginning, kept features and padding change nothing: every answer is that of the prompt by itself."""
    talks = [talk(1, 2, 3), talk(1, 2, 4), talk(3), talk(2, 1, 3), talk(5, 3), [user(picture(1)), assistant("This is")]]
    plain = PebenchHf(str(llava), batch_size=1, device="cpu", share_prefix=False)
    alone = [answers(plain, [one])[0] for one in talks]
    assert answers(model, talks) == alone
    assert len(set(alone)) > 3


def test_an_answer_is_begun_where_a_whole_one_would_stand(model: PebenchHf) -> None:
    question = {"role": "user", "content": [{"type": "text", "text": WHO}]}
    begun, whole = (
        {"role": "assistant", "content": [{"type": "text", "text": text}]} for text in ("This is", "This is Ada.")
    )
    assert chat.prompt(model.processor, [question, begun]) == f"{chat.prompt(model.processor, [question])} This is"
    assert chat.turn(model.processor, [question, whole]).startswith(chat.prompt(model.processor, [question, begun]))


def with_template(model: PebenchHf, template: str) -> frozenset[str]:
    own = model.processor.chat_template
    model.processor.chat_template = template
    try:
        return abilities(model.processor)
    finally:
        model.processor.chat_template = own


def test_an_answer_is_begun_behind_thoughts_that_are_closed(model: PebenchHf) -> None:
    """Where a template leaves closed thoughts out of what was answered, a begun answer keeps them, as every prompt."""
    own = model.processor.chat_template
    model.processor.chat_template = (
        "{% for m in messages %}{{ m.role }}:{% for p in m.content %}{{ p.text }}{% endfor %}{{ ';' }}{% endfor %}"
        "{% if add_generation_prompt %}assistant:<think></think>{% endif %}"
    )
    question = {"role": "user", "content": [{"type": "text", "text": "Who?"}]}
    begun = {"role": "assistant", "content": [{"type": "text", "text": "This is"}]}
    try:
        assert chat.prompt(model.processor, [question, begun]) == "user:Who?;assistant:<think></think>This is"
    finally:
        model.processor.chat_template = own


def test_a_llava_can_be_asked_everything(model: PebenchHf) -> None:
    assert model.abilities == {TURNS, IMAGES, BEGUN}


def test_a_template_that_writes_the_last_turn_alone_takes_no_conversations(model: PebenchHf) -> None:
    last = model.processor.chat_template.replace("messages", "messages[-1:]")
    assert with_template(model, last) == {BEGUN}


def test_a_template_that_loses_earlier_images_takes_one(model: PebenchHf) -> None:
    """One image would be read in the other's place, without a word."""
    template = (
        "{% for m in messages %}{% for p in m.content %}"
        "{% if p.type == 'image' %}{{ '<image>' if loop.index0 == 0 and m == messages[-1] }}{% else %}{{ p.text }}"
        "{% endif %}{% endfor %}\n{% endfor %}"
    )
    assert with_template(model, template) == {TURNS, BEGUN}


def test_an_encoder_decoder_goes_on_with_no_answer(model: PebenchHf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.model.config, "is_encoder_decoder", True)
    model.__dict__.pop("abilities", None)
    assert model.abilities == {TURNS, IMAGES}
    del model.__dict__["abilities"]
