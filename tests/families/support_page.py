"""The page of supported families, from what the matrix found and from nothing else.

python tests/families/support_page.py OUTCOMES.json PAGE.md
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Cell = Mapping[str, Any]
TRAIN = (
    "test_labels_are_the_answer_and_its_end_token",
    "test_the_finetuned_model_writes_the_answers",
    "test_a_reloaded_model_is_the_saved_one",
)
LORA = (
    "test_adapters_are_in_every_linear_layer_of_the_language_model_and_nowhere_else",
    "test_adapters_learn_and_answer_like_the_merged_model",
)
SCORE = (
    "test_the_finetuned_model_writes_the_answers",
    "test_answers_do_not_depend_on_the_batch",
    "test_questions_without_an_image_are_read",
)
METHOD = "test_a_method_does_what_it_must"
STOCK = "test_stock_backends_read_the_checkpoint"
HEAD = """# Supported model families

Written by `make families` from the outcomes of `tests/families`; not to be edited. Of every family a tiny model is
built from transformers' own classes, finetuned on 16 images, unlearned and scored, on a CPU in float32.

- **Train**: the labels are the answer and its end token, the finetuned model generates the answers to all images but
  at most one, and the reloaded model is the saved one.
- **LoRA**: adapters sit in the language model's linear layers alone, learn, and answer as the merged model does.
- **Methods**: how many of the methods (`goal` and `gd` with `--balance bgd` among them) do what they must in a few
  steps, all weights of the language model trained / with adapters.
- **Score**: `pebench_hf` generates the learned answers, the same ones at batch size 8 and 1, to questions without an
  image as well.
- **Stock backends**: `--model`, with the share of documents that it answers as `pebench_hf` does, or its error.
- **Tokens**: of the name question about one image of 64 px. **Shared image**: whether questions about an image are
  trained behind one copy of it.
"""
COLUMNS = ("Family", "`model_type`", "Train", "LoRA", "Methods", "Score", "Tokens", "Shared image", "Stock backends")


def page(outcomes: Mapping[str, Any]) -> str:
    """The page as Markdown; ``outcomes`` as ``tests/families/conftest.py`` writes them."""
    families: dict[str, list[Cell]] = defaultdict(list)
    for cell in outcomes["cells"]:
        families[cell["family"]].append(cell)
    versions = ", ".join(f"{name} {number}" for name, number in outcomes["versions"].items())
    lines = [HEAD, f"Versions: {versions}.", "", _line(COLUMNS), _line(["---"] * len(COLUMNS))]
    ordered = sorted(families.values(), key=lambda cells: cells[0]["name"].lower())
    lines += [_line(_row(cells)) for cells in ordered]
    lines += ["", "## Known limits and what is special", ""]
    for cells in ordered:
        if found := _limits(cells):
            lines += [f"**{cells[0]['name']}**", "", *(f"- {limit}" for limit in found), ""]
    return "\n".join(lines).rstrip() + "\n"


def _row(cells: Sequence[Cell]) -> list[str]:
    facts = {key: value for cell in cells for key, value in cell.items()}
    return [
        facts["name"],
        f"`{facts['model_type']}`" if "model_type" in facts else "",
        _all_passed(cells, TRAIN),
        _all_passed(cells, LORA),
        _methods(cells),
        _all_passed(cells, SCORE),
        str(facts.get("tokens", "")),
        ("no" if facts["shares"] else "yes") if "shares" in facts else "",
        "<br>".join(_stock(called, share) for called, share in facts.get("stock", {}).items()) or "none",
    ]


def _all_passed(cells: Sequence[Cell], checks: Sequence[str]) -> str:
    found = [cell["outcome"] for cell in cells if cell["check"] in checks]
    if len(found) < len(checks):
        return "not run"
    return "yes" if set(found) == {"passed"} else "no"


def _methods(cells: Sequence[Cell]) -> str:
    shares = []
    for tuning in ("full", "lora"):
        found = [cell["outcome"] for cell in cells if cell["check"] == METHOD and cell["how"].endswith(f"-{tuning}")]
        shares.append(f"{found.count('passed')} of {len(found)}" if found else "not run")
    return " / ".join(shares)


def _stock(called: str, share: float | str) -> str:
    backend, _, options = called.partition(" ")
    options = options.replace("pretrained={path}", "").strip(",")
    measured = share if isinstance(share, str) else f"{share:.2f}"
    return f"`{backend}` {_cell(measured)}" + (f" (`{options}`)" if options else "")


def _limits(cells: Sequence[Cell]) -> list[str]:
    """The case of the family, flat patches, and the first line of every error, alike ones once."""
    found = [cell["note"] for cell in cells if cell.get("note")]
    if any(cell.get("flat") for cell in cells):
        found.append("A batch holds its images' patches in one flat list.")
    errors: dict[str, list[str]] = defaultdict(list)
    for cell in cells:
        if cell["outcome"] in ("failed", "limit"):
            check = cell["check"].removeprefix("test_").replace("_", " ")
            errors[cell["error"].removeprefix("pebench_tasks.errors.")].append(
                f"{check} ({cell['how']})" if cell["how"] else check
            )
    return found + [f"Fails: {'; '.join(checks)}: `{error}`" for error, checks in errors.items()]


def _line(values: Sequence[str]) -> str:
    return f"| {' | '.join(values)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(page(json.loads(source.read_text(encoding="utf-8"))), encoding="utf-8")
