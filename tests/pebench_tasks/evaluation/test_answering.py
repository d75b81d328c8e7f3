"""A model in memory answers documents as the harness has a checkpoint answer them."""

import re
from pathlib import Path

import torch
import yaml
from harness_runs import NEW_TOKENS, TASKS, Evaluate, responses

from pebench_tasks.backend import families
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.benchmark.documents import documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.evaluation.answering import GENERATION, answer_documents
from pebench_tasks.versions import TASKS_FOLDER


def test_the_answers_are_those_of_the_task(evaluate: Evaluate, benchmark: Benchmark, llava: Path) -> None:
    scored = responses(evaluate("pebench_hf", f"pretrained={llava}", tasks=TASKS[:1]))
    asked = [doc for doc in documents(benchmark, "person", 5) if f"{TASKS[0]}:{doc['key']}" in scored]
    model = families.load_model(str(llava), torch.float32).eval()
    answering = PebenchHf.around(model, families.load_processor(str(llava)), "llava", batch_size=4)
    answers = answer_documents(answering, asked, benchmark.image, max_new_tokens=NEW_TOKENS)
    assert len(asked) == len(scored)
    assert {f"{TASKS[0]}:{doc['key']}": text for doc, text in zip(asked, answers, strict=True)} == scored


def test_a_changed_model_is_asked_anew(benchmark: Benchmark, llava: Path) -> None:
    """What was kept of images is that of the weights that there were."""
    model, processor = families.load_model(str(llava), torch.float32).eval(), families.load_processor(str(llava))
    asked = documents(benchmark, "person", 5)[:4]

    def answers() -> list[str]:
        return answer_documents(PebenchHf.around(model, processor, "llava"), asked, benchmark.image, max_new_tokens=8)

    before = answers()
    assert answers() == before
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
    assert answers() != before


def test_the_settings_are_those_of_the_tasks() -> None:
    base = (TASKS_FOLDER / "_pebench_base").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?m)^generation_kwargs: &generation\n((?:  .*\n)+)", base)
    assert yaml.safe_load(block) == GENERATION
