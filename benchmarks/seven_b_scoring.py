"""Operations of an answer at 2 to 8 billion parameters: counted, as ``seven_b.py`` counts those of a training step.

    python benchmarks/seven_b_scoring.py --out runs/seven_b_scoring.md

``pebench_hf``'s own path from a batch of conversations to answers (features of a picture once, ``generation.answer``)
runs in bfloat16 on tensors without numbers, two questions about each picture, until every answer is as long as allowed;
nothing is guessed ahead. The least is 2N a token of the prompt without padding, the head at its last alone, 2N a token
of the answer but the last, attention to all that stands before, and every patch of a picture once.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pebench_templates
import seven_b
import small_llava
import tables
import torch
from counting import Operations, no_numbers
from seven_b import Counted, at_depth
from shapes import SHAPES

from pebench_tasks.backend import families, generation
from pebench_tasks.backend.image_features import ImageFeatures
from pebench_tasks.benchmark.reading import Benchmark

QUESTIONS = ("person_question", "scene_question")
DEPTHS = (2, 3)


def main() -> None:
    """Count, print a table, write it to ``--out``."""
    options = _arguments()
    torch.set_num_threads(1)
    with TemporaryDirectory() as name:
        data = small_llava.benchmark(Path(name), tiny=options.tiny, image_size=seven_b.IMAGE_SIZE)
        rows = [row(model, data, options) for model in options.model]
    tables.show("An answer, counted", rows)
    facts = {"batch": options.batch_size, "new tokens": options.new_tokens, "torch": torch.__version__}
    for path in options.out:
        tables.write(path, "An answer, counted", rows, facts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--batch_size", type=int, default=8, help="questions, two about each picture")
    parser.add_argument("--new_tokens", type=int, default=24, help="of every answer")
    parser.add_argument("--tiny", action="store_true", help="models of no size, to try the program")
    parser.add_argument("--out", nargs="+", type=Path, default=[], help="files to write: .md, .csv, .json")
    return parser.parse_args()


def row(model: str, data: Benchmark, options: argparse.Namespace) -> dict[str, Any]:
    """A row of the table."""
    with no_numbers():
        one, other = (count(model, data, options, layers) for layers in DEPTHS)
    found = at_depth(one, other, DEPTHS, SHAPES[model].layers(tiny=options.tiny))
    return {
        "model": model,
        "TFLOP an answer": found.step / options.batch_size / 1e12,
        "least": found.least / options.batch_size / 1e12,
        "x least": found.step / found.least,
    }


def count(name: str, data: Benchmark, options: argparse.Namespace, layers: int) -> Counted:
    """A batch of answers, so many layers deep."""
    model, processor = SHAPES[name].model(data, torch.bfloat16, tiny=options.tiny, layers=layers)
    model.eval()
    pictures = [data.images[number]["key"] for number in range(options.batch_size // len(QUESTIONS))]
    asked = [(picture, question) for picture in pictures for question in QUESTIONS]
    messages = [_conversation(data, *one) for one in asked]
    operations = Operations()
    with torch.inference_mode(), operations:
        inputs = families.generation_inputs(processor, messages).to(model.device, dtype=model.dtype)
        features = ImageFeatures(model).instead_of_images(inputs, [picture.encode() for picture, _ in asked])
        settings = {"max_new_tokens": options.new_tokens}
        generation.answer(model, processor.tokenizer, features, settings)
    singly = [families.generation_inputs(processor, [one]).to(model.device, dtype=model.dtype) for one in messages]
    least = sum(
        _least(model, inputs, options.new_tokens, first=number % len(QUESTIONS) == 0)
        for number, inputs in enumerate(singly)
    )
    return Counted(step=operations.get_total_flops(), weights=0.0, states=0.0, peaks=({},), least=least)


def _conversation(data: Benchmark, picture: str, question: str) -> list[dict[str, Any]]:
    text = pebench_templates.render(question, phrasing=0)
    content = [{"type": "image", "image": data.image(picture)}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def _least(model: Any, inputs: Any, new_tokens: int, *, first: bool) -> float:
    """Of one answer; ``first``: the first one about its picture."""
    head = model.get_output_embeddings()
    of_head = 2.0 * head.in_features * head.out_features  # of one token
    tokens = inputs["input_ids"].shape[1]
    handle = head.register_forward_pre_hook(lambda module, given: (given[0][:, -1:],))
    found = seven_b.operations_by_kind(model, lambda: model(**inputs, use_cache=False))
    handle.remove()
    layers = found["weights"] - found["projector"] - of_head
    later = new_tokens - 1  # the first token of the answer comes from the prompt
    seen = sum(tokens + number for number in range(1, new_tokens))
    return (
        layers * (1 + later / tokens)
        + of_head * new_tokens
        + found["attention"] * (1 + seen / tokens**2)
        + (found["vision"] + found["projector"]) * first
    )


if __name__ == "__main__":
    main()
