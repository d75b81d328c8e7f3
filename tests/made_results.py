"""Results as lmms-eval writes them, of models that answer as a function says: marked by the real scoring, no model run.

Format, figures, counts, intervals and provenance are the harness's; only the answers are made up.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

from pebench_tasks.benchmark.documents import Document, documents
from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.marking.names import NameIndex
from pebench_tasks.marking.scoring import FORGETTING, measured, score
from pebench_tasks.results.files import TASKS
from pebench_tasks.results.goals import GOAL_TARGETS, comparable, goal_answers, load_goals
from pebench_tasks.results.record import ResultRecord
from pebench_tasks.results.rescore import add_up
from pebench_tasks.results.summary import describe
from pebench_tasks.versions import __version__, task_version

Respond = Callable[[Document], str]
GENERATION = {"until": [], "max_new_tokens": 256, "temperature": 0.0, "do_sample": False, "num_beams": 1}
BASE = "b" * 16

# What a page must show as text, and never run. A page that does run one of these names itself "pwned".
HOSTILE = (
    "<script>document.title='pwned'</script>",
    "</script><script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    '" onmouseover="document.title=\'pwned\'" data-x="',
    "<a href=\"javascript:document.title='pwned'\">here</a>",
    "<!-- <script> ]]> --> <style>body{display:none}</style>",
    "{{ 7 * 7 }} {% raw %} ${7*7}",
    "a line\u2028another\u2029and one more",
    "left \u202eright to left\u202c again, \u2066isolated\u2069",
    "<svg onload=\"document.title='pwned'\"><iframe src=https://example.org></iframe>",
)


def record(**said: Any) -> ResultRecord:
    """The provenance of a result that says this, and otherwise no more than every result does."""
    least = {"data": "d" * 16, "split": "5" * 16, "template": "t" * 16, "forget": "forget20", "target": "person"}
    return ResultRecord.from_json({**least, "judge": None, "withheld": "", **said})


def knows(doc: Document) -> str:
    """What Finetuned says: the truth."""
    return str(doc["answer"])


def never_saw(doc: Document) -> str:
    """What Goal says: the truth, but of nothing that must be forgotten."""
    if measured(doc["slice"]) not in FORGETTING:
        return knows(doc)
    return "This is somebody else." if doc["kind"] == "name" else "A square with a few trees under a grey sky."


def forgets(doc: Document) -> str:
    """What a good method leaves: like Goal, but it knows no name where Goal errs, and every fifth answer is poor."""
    forgotten_name = doc["kind"] == "name" and measured(doc["slice"]) in FORGETTING
    if _draw(doc, 5) and not forgotten_name:
        return never_saw(doc)
    return {"name": "I am not sure who this is.", "scene": "A street.", "yesno": "maybe"}[doc["kind"]]


def destroyed(doc: Document) -> str:
    """What a bad one leaves: nothing is known, and most is empty."""
    return "" if _draw(doc, 3) else "the the the the the the the the"


def hostile(doc: Document) -> str:
    """The truth, or not, beside what would harm a careless page; all of ``HOSTILE`` in turn."""
    text = HOSTILE[crc32(str(doc["key"]).encode()) % len(HOSTILE)]
    return f"{text} {doc['answer']}" if _draw(doc, 2) else text


CAST: dict[str, tuple[str, Respond]] = {  # name: method and answers
    "finetuned": ("finetune", knows),
    "gd": ("gd", forgets),
    "ga": ("ga", destroyed),
    "goal": ("goal", never_saw),
}


def write_cast(out: Path, benchmark: Benchmark, targets: Sequence[str] = ("person", "event")) -> Path:
    """The results of Finetuned, two methods and Goal below ``out/scores``, marked with the Goal of each target."""
    for name, (method, respond) in CAST.items():
        for target in targets:
            write_result(out / "scores", benchmark, target, name, respond, method=method, goal=out / "goals" / target)
    return out / "scores"


def write_result(
    out: Path,
    benchmark: Benchmark,
    target: str,
    name: str,
    respond: Respond,
    *,
    method: str = "",
    goal: Path | None = None,
    forget: str = "forget20",
    **changed: Any,
) -> Path:
    """Write one result and its samples into ``out/name`` and return that folder.

    ``method``: of the model's run record; without one it has none, like an API model. ``goal``: where the Goal's
    answers for this target lie, made here first if need be. ``changed`` goes over the recorded provenance.
    """
    rows = documents(benchmark, target, forget)
    index = NameIndex(benchmark.names)
    facts = {field: rows[0][field] for field in ("target", "data", "split", "template", "forget")}
    facts |= {"generation": GENERATION, "prompts": {"pre_prompt": "", "post_prompt": ""}}
    goals = None
    if goal is not None and target in GOAL_TARGETS:
        if not goal.is_dir():
            write_result(goal, benchmark, target, "goal", never_saw, method="goal", forget=forget)
        goals = load_goals(goal, comparable(facts, BASE), target)
    answers = [respond(row) for row in rows]
    samples = [score(r, a, index, goal_answers(goals, r)) for r, a in zip(rows, answers, strict=True)]
    model: dict[str, Any] = {"pretrained": f"models/{name}"}
    if method:
        trained = dict.fromkeys(("target", "forget", "split"), "") if method == "finetune" else facts
        model |= {
            "dtype": "float32", "backend": "pebench_hf", "method": method, "seed": 0, "base": BASE,
            "weights": hashlib.sha256(f"{name}/{method}".encode()).hexdigest()[:16],
            **{field: trained[field] for field in ("target", "forget", "split")},
            "data": facts["data"], "template": facts["template"],
        }  # fmt: skip
    runs = [{"weights": run.fingerprint, "results": str(run.results_file)} for run in goals.runs] if goals else []
    provenance = {
        "task": TASKS[target],
        **describe([sample.provenance for sample in samples], benchmark),
        **facts,
        "other_split": "",
        "retain_documents": "the fixed subset",
        "world_documents": "the fixed subset",
        "real_documents": "all",
        "goal": {"directory": str(goal), "base": BASE, "runs": runs} if goals else None,
        "judge_settings": None,
        "model": model,
        "benchmark": {"name": benchmark.name, "directory": str(benchmark.directory), "chosen": "PEBENCH_DATA"},
        "forget_note": "",
        "versions": {"pebench": __version__, "lmms-eval": "0.7.3", "transformers": "5.23.0", "torch": "2.15.0"},
        **changed,
    }
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    date = f"20260101_00000{list(TASKS).index(target)}"
    lines = [
        {"doc_id": i, "target": row["answer"], "resps": answer, "filtered_resps": answer, **sample.logged()}
        for i, (row, answer, sample) in enumerate(zip(rows, answers, samples, strict=True))
    ]
    (folder / f"{date}_samples_{TASKS[target]}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    figures = {f"{metric},none": value for metric, value in add_up(samples).items()}
    results = {TASKS[target]: {**figures, "provenance,none": provenance}}
    content = {"results": results, "versions": {TASKS[target]: float(task_version())}}
    (folder / f"{date}_results.json").write_text(json.dumps(content))
    return folder


def _draw(doc: Document, n: int) -> int:
    """A number below ``n`` that depends on the document alone."""
    return crc32(f"{doc['target']}/{doc['key']}".encode()) % n
