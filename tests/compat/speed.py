"""Processor milliseconds that an answer takes in this environment: ``python tests/compat/speed.py REFERENCE TURNS``.

Every image of the benchmark is asked the same questions, so that none is answered without asking the model. Each turn
begins with the checkpoint loaded anew, which does not count: nothing of what it answered before is known.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import datasets
from lmms_eval.api.instance import Instance

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.reading import open_benchmark

QUESTIONS = [f"{word} is {what}?" for word in ("Who", "What", "Where", "When") for what in ("this", "here", "shown")]
SETTINGS = {"max_new_tokens": 32, "until": []}


def main(reference: Path, turns: int) -> None:
    """Print one JSON list, a number a turn."""
    benchmark = open_benchmark(reference / "data")
    documents = [{"image": row["key"], "question": text} for row in benchmark.images for text in QUESTIONS]

    def messages(doc: dict[str, str]) -> list[dict[str, Any]]:
        picture = {"type": "image", "url": benchmark.image(doc["image"])}
        return [{"role": "user", "content": [picture, {"type": "text", "text": doc["question"]}]}]

    found = []
    for _ in range(turns):
        model = PebenchHf(str(reference / "checkpoint"), batch_size=32, device="cpu", dtype="float32")
        model.task_dict = {"speed": {"test": datasets.Dataset.from_list(documents)}}
        requests = [
            Instance(
                request_type="generate_until",
                arguments=(doc["question"], messages, dict(SETTINGS), i, "speed", "test"),
                idx=0,
                metadata={"task": "speed", "doc_id": i, "repeats": 1},
            )
            for i, doc in enumerate(documents)
        ]
        started = time.process_time()
        answers = model.generate_until(requests)
        found.append(1000 * (time.process_time() - started) / len(answers))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
