"""Documents answered by a model in memory, asked as the tasks ask them but without the harness's evaluation."""

from collections.abc import Callable, Sequence
from typing import Any

from lmms_eval.api.instance import Instance
from PIL import Image

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.asking import Document

# ``generation_kwargs`` of ``tasks/_pebench_base``.
GENERATION = {"until": [], "max_new_tokens": 256, "temperature": 0, "do_sample": False, "num_beams": 1}
TASK, SPLIT = "documents", "test"


def answer_documents(
    model: PebenchHf,
    documents: Sequence[Document],
    image: Callable[[str], Image.Image],
    *,
    max_new_tokens: int | None = None,
) -> list[str]:
    """The answers, in the order of ``documents``; ``image`` gives the picture of a key. Default length: the task's."""
    settings = GENERATION if max_new_tokens is None else {**GENERATION, "max_new_tokens": max_new_tokens}

    def messages(doc: Document) -> list[dict[str, Any]]:
        content = [{"type": "image", "url": image(doc["image"])}, {"type": "text", "text": doc["question"]}]
        return [{"role": "user", "content": content}]

    model.task_dict[TASK] = {SPLIT: documents}
    requests = [
        Instance(
            request_type="generate_until",
            arguments=(doc["question"], messages, settings, place, TASK, SPLIT),
            idx=0,
            metadata={"task": TASK, "doc_id": place, "repeats": 1},
        )
        for place, doc in enumerate(documents)
    ]
    return [answer.text for answer in model.generate_until(requests)]
