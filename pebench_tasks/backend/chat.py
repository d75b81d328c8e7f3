"""A conversation as a checkpoint's own chat template writes it: the same text in training and in scoring.

What templates differ in is settled here, once: which of several templates is the one, whether contents are lists or
texts, and that an answer begins where thoughts would. A template that cannot write a question is refused.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import TemplateError
from transformers import ProcessorMixin

from pebench_tasks.errors import BenchmarkError

Messages = Sequence[Mapping[str, Any]]
PROBE = "Who is this?"
LIST = re.compile(r"""['"]type['"]: ?['"]text['"]""")  # a list of contents that was written as it is
OPENED = re.compile(r"(<think\w*>|<thought\w*>|<reasoning>|◁think▷|<\|channel>thought)\s*$")
EMPTY = re.compile(  # thoughts that end at once
    r"(<(think\w*|thought\w*|reasoning)>\s*</\2>|◁think▷\s*◁/think▷|<\|channel>thought\s*<channel\|>)\s*$"
)
# Processors whose image stands in a text as its token and a line feed, as their authors' examples write it.
IMAGE_LINES = ("LlavaProcessor", "LlavaNextProcessor", "VipLlavaProcessor")


def choose_template(processor: Any, ours: str, source: str) -> None:
    """Give the processor one template: its own, else its tokenizer's, else ``ours``; checks that it writes a question.

    Raises ``BenchmarkError`` where there is none, where several stand beside each other and none is the default, and
    for one that cannot write a question. ``source`` is where the processor comes from.
    """
    template = getattr(processor, "chat_template", None) or processor.tokenizer.chat_template or ours
    if not template:
        raise BenchmarkError(
            f"Neither the processor nor the tokenizer in {source} has a chat template. Put the one that the model "
            "was trained with into the folder, as chat_template.jinja."
        )
    if isinstance(template, dict):
        named: dict[str, str] = template
        if "default" not in named:
            raise BenchmarkError(
                f"{source} has the chat templates {', '.join(sorted(named))}, and none is called default. Put the one "
                "that the model was trained with into the folder, as chat_template.jinja."
            )
        template = named["default"]
    processor.chat_template = template
    _check(processor, source)


def _check(processor: ProcessorMixin, source: str) -> None:
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PROBE}]}
    remedy = "Put one into the folder, as chat_template.jinja, that writes a user's turn without a system's before it."
    try:
        text = prompt(processor, [question])
    except (TemplateError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise BenchmarkError(f"The chat template in {source} cannot write a question ({reason}). {remedy}") from error
    if PROBE not in text:
        raise BenchmarkError(f"The chat template in {source} leaves the question out: it writes {text!r}. {remedy}")


def prompt(processor: ProcessorMixin, messages: Messages) -> str:
    """What the model is given to answer; thoughts are off, and closed where the template opens them all the same.

    An assistant's turn at the end is one that is begun, and that the model goes on with.
    """
    if messages[-1]["role"] == "assistant":
        return _begun(processor, messages)
    text = _render(processor, messages, add_generation_prompt=True)
    if not OPENED.search(text):
        return text
    answered = _render(processor, [*messages, {"role": "assistant", "content": [{"type": "text", "text": PROBE}]}])
    return answered[: answered.rindex(PROBE)] if PROBE in answered else text


def _begun(processor: ProcessorMixin, messages: Messages) -> str:
    """A question with its answer begun: what is written before an answer, and the words as they stand in a turn."""
    asked, words = prompt(processor, messages[:-1]), str(messages[-1]["content"][0]["text"])
    whole = turn(processor, messages)
    place = whole.find(words, len(asked)) if whole.startswith(asked) else -1
    return whole[: place + len(words)] if place >= 0 else asked + words


def turn(processor: ProcessorMixin, messages: Messages) -> str:
    """Messages that end with an answer, as the template writes them."""
    return _render(processor, messages)


def without_empty_thoughts(text: str) -> str:
    """A prompt without the thoughts that it closes at its end: templates leave them out of answered questions."""
    return EMPTY.sub("", text)


def _render(processor: Any, messages: Messages, **options: Any) -> str:
    template = processor.chat_template
    if "enable_thinking" in template:
        options["enable_thinking"] = False
    if _takes_text(processor, template):
        messages = [{**message, "content": _as_text(processor, message["content"])} for message in messages]
    return str(processor.apply_chat_template(list(messages), **options))


@lru_cache(maxsize=8)
def _takes_text(processor: Any, template: str) -> bool:
    """Whether contents must be texts: of a list the template makes an error, or writes the list itself."""

    def written(content: Any) -> str:
        try:
            return str(
                processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
            )
        except (TemplateError, TypeError):
            return ""

    of_list = written([{"type": "text", "text": PROBE}])
    return (PROBE not in of_list or LIST.search(of_list) is not None) and PROBE in written(PROBE)


def _as_text(processor: Any, content: Sequence[Mapping[str, Any]]) -> str:
    images = sum(part["type"] == "image" for part in content)
    name = type(processor).__name__
    if images and name not in IMAGE_LINES:
        raise BenchmarkError(
            f"The chat template takes contents as text alone, so nothing says where a {name} wants its images. "
            "Put one that takes lists of contents into the folder, as chat_template.jinja."
        )
    text = "".join(part["text"] for part in content if part["type"] == "text")
    return f"{processor.image_token}\n" * images + text
