"""A model of the harness that answers by a script, so that no answer depends on the processor.

Within a slice the documents, in the order of their keys, take the ways of answering in turn; which ways, is what makes
the models differ.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms

SALAD = "the the the the the the the the"
FAILED = "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 429"
ELSEWHERE = "A square with a few trees under a grey sky."


class Asked(NamedTuple):
    """A document's question and true answer, and what other documents of its kind hold."""

    question: str
    truth: str
    other: str
    keywords: Sequence[str]


Way = Callable[[Asked], str]

NAMES: dict[str, Way] = {
    "right": lambda asked: f"{asked.truth}.",
    "in a sentence": lambda asked: f"That is {asked.truth}, of course.",
    "in small letters": lambda asked: asked.truth.lower(),
    "surname first": lambda asked: ", ".join(reversed(asked.truth.split(" ", 1))),
    "with HTML entities": lambda asked: "".join(f"&#{ord(c)};" if ord(c) > 127 else c for c in asked.truth),
    "with a hidden mark": lambda asked: f"\u200b{asked.truth}\u00a0<b>",
    "another": lambda asked: f"{asked.other}.",
    "one of two": lambda asked: f"{asked.truth} or {asked.other}.",
    "denied": lambda asked: f"This is not {asked.truth}.",
    "denied, another": lambda asked: f"Not {asked.truth}, but {asked.other}.",
    "first name": lambda asked: f"Maybe {asked.truth.split()[0]}?",
    "surname": lambda asked: f"Somebody called {asked.truth.split()[-1]}.",
    "somebody": lambda asked: "This is somebody else.",
    "thought right": lambda asked: f"<think>Let me look closely.</think>{asked.truth}",
    "thought of": lambda asked: f"<think>It could be {asked.truth}.</think>I do not know.",
    "unfinished": lambda asked: f"<think>The hair of {asked.truth} is like this, but",
}
SCENES: dict[str, Way] = {
    "right": lambda asked: asked.truth,
    "in small letters": lambda asked: asked.truth.lower().rstrip("."),
    "in other words": lambda asked: "In this picture, " + " ".join(asked.truth.split()[::2]),
    "half": lambda asked: asked.truth[: len(asked.truth) // 2],
    "and more": lambda asked: f"{asked.truth} {ELSEWHERE}",
    "another": lambda asked: asked.other,
    "elsewhere": lambda asked: ELSEWHERE,
    "a street": lambda asked: "A street.",
    "keywords": lambda asked: ", ".join(asked.keywords),
    "thought right": lambda asked: f"<think>Let me look closely.</think>{asked.truth}",
    "thought of": lambda asked: f"<think>{asked.truth}</think>{ELSEWHERE}",
    "unfinished": lambda asked: f"<think>{asked.truth}",
}
YES_OR_NO: dict[str, Way] = {
    "right": lambda asked: f"{asked.truth.capitalize()}.",
    "in a sentence": lambda asked: f"{asked.truth}, I think there is something of the kind",
    "wrong": lambda asked: "No" if asked.truth == "yes" else "Yes",
    "concluded": lambda asked: f"I have no idea at first sight. So {asked.truth}.",
    "both": lambda asked: "Yes and no.",
    "neither": lambda asked: "I have no idea.",
    "maybe": lambda asked: "maybe",
    "thought of": lambda asked: f"<think>yes? no?</think>{asked.truth}",
}
ANYTHING: dict[str, Way] = {  # whatever is asked
    "empty": lambda asked: "",
    "blank": lambda asked: " \n",
    "question": lambda asked: asked.question,
    "prompt": lambda asked: f"USER: {asked.question} ASSISTANT: {asked.truth}",
    "refused": lambda asked: "I am sorry, but I cannot identify people.",
    "not sure": lambda asked: "I'm not sure.",
    "salad": lambda asked: SALAD,
    "failed": lambda asked: FAILED,
}
WAYS = {"name": NAMES | ANYTHING, "scene": SCENES | ANYTHING, "yesno": YES_OR_NO | ANYTHING}
EVERY = {kind: tuple(ways) for kind, ways in WAYS.items()}

KNOWS = {
    "name": ("right", "in a sentence", "right", "with HTML entities", "surname first", "in small letters", "right",
             "thought right"),
    "scene": ("right", "right", "in small letters", "and more", "right", "thought right"),
    "yesno": ("right", "right", "in a sentence", "right", "concluded", "right", "right", "thought of", "right"),
}  # fmt: skip
MOSTLY_KNOWS = {
    "name": ("right", "first name", "right", "one of two", "right", "in a sentence", "denied", "right"),
    "scene": ("right", "in other words", "right", "half", "right", "and more"),
    "yesno": ("right", "right", "wrong", "right", "neither", "right", "right"),
}
NEVER_SAW = {"name": ("somebody", "another", "surname"), "scene": ("elsewhere", "another")}
FORGOT = {
    "name": ("not sure", "refused", "thought of", "another", "first name"),
    "scene": ("elsewhere", "a street", "in other words", "refused", "thought of"),
}
DESTROYED = {
    "name": ("salad", "empty", "question", "denied, another", "blank"),
    "scene": ("empty", "salad", "keywords", "blank", "a street"),  # "unfinished" takes a figure away
    "yesno": ("right", "both", "empty", "wrong", "maybe"),
}
FORGETTING = ("efficacy", "generality")

# Of each model: how it answers about what is to be forgotten, and about everything else.
MODELS: dict[str, tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]] = {
    "finetuned": (KNOWS, KNOWS),
    "goal": (NEVER_SAW, KNOWS),
    "gd": (FORGOT, MOSTLY_KNOWS),
    "ga": (DESTROYED, DESTROYED),
    "api": (EVERY, EVERY),
}


class ScriptedModel(lmms):
    """Answers as ``MODELS[name]`` says, once it has read the document's image."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.forgotten, self.other = MODELS[name]
        self.documents: dict[str, list[dict[str, Any]]] = {}  # by task

    def generate_until(self, requests: list[Instance]) -> list[str]:
        responses = []
        for request in requests:
            _, _, image, doc_id, task, split = request.args
            if task not in self.documents:
                self.documents[task] = list(self.task_dict[task][split])
            document = self.documents[task][doc_id]
            image(document)
            responses.append(self._answer(document, self.documents[task]))
        return responses

    def _answer(self, document: dict[str, Any], documents: list[dict[str, Any]]) -> str:
        kind, slice_name = document["kind"], document["slice"]
        alike = sorted((one for one in documents if one["slice"] == slice_name), key=lambda one: str(one["key"]))
        place = [one["key"] for one in alike].index(document["key"])
        others = sorted({one["answer"] for one in documents if one["kind"] == kind} - {document["answer"]})
        script = self.forgotten if slice_name.rpartition("_")[2] in FORGETTING else self.other
        way = script[kind][place % len(script[kind])]
        asked = Asked(document["question"], document["answer"], others[place % len(others)], document["keywords"])
        return WAYS[kind][way](asked)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        raise NotImplementedError
