"""The page says what the matrix found, cell by cell."""

from typing import Any

import pytest
from support_page import LORA, METHOD, SCORE, STOCK, TRAIN, page


def cells(family: str, **changes: Any) -> list[dict[str, Any]]:
    """A family that passed everything; ``changes`` by check replace a cell's fields."""
    checks = [(check, "") for check in dict.fromkeys([*TRAIN, *LORA, *SCORE, STOCK])]
    checks += [(METHOD, f"{method}-{tuning}") for method in ("ga", "kl") for tuning in ("full", "lora")]
    plain = {"family": family, "name": family.upper(), "outcome": "passed", "error": ""}
    made = [{**plain, "check": check, "how": how, **changes.get(check, {})} for check, how in checks]
    made[0] |= {"model_type": family, "note": "", "tokens": 36, "flat": False, "shares": ""}
    made[0] |= changes.get("facts", {})
    return made


def row_of(family: str, found: list[dict[str, Any]]) -> list[str]:
    text = page({"versions": {"torch": "2"}, "cells": found})
    (line,) = (line for line in text.splitlines() if line.startswith(f"| {family.upper()} |"))
    return [value.strip() for value in line.strip("|").split("|")]


def test_a_family_that_passes_everything() -> None:
    found = row_of("llava", cells("llava", **{STOCK: {"stock": {"llava_hf device=cpu": 1.0, "other": "Error: no"}}}))
    stock = "`llava_hf` 1.00 (`device=cpu`)<br>`other` Error: no"
    assert found == ["LLAVA", "`llava`", "yes", "yes", "2 of 2 / 2 of 2", "yes", "36", "yes", stock]


@pytest.mark.parametrize(("check", "column"), [(TRAIN[0], 2), (LORA[0], 3), (METHOD, 4), (SCORE[1], 5)])
@pytest.mark.parametrize("outcome", ["failed", "limit"])
def test_a_failed_check_shows_in_its_column_and_among_the_limits(check: str, column: int, outcome: str) -> None:
    found = cells("llava", **{check: {"outcome": outcome, "error": "ValueError: 5 is not 4"}})
    whole = row_of("llava", cells("llava"))
    broken = row_of("llava", found)
    assert [at for at, (before, after) in enumerate(zip(whole, broken, strict=True)) if before != after] == [column]
    assert "`ValueError: 5 is not 4`" in page({"versions": {}, "cells": found})


def test_a_check_that_did_not_run_is_no_yes() -> None:
    found = [cell for cell in cells("llava") if cell["check"] != LORA[1] and cell["check"] != METHOD]
    assert row_of("llava", found)[3:5] == ["not run", "not run / not run"]


def test_families_are_in_the_order_of_their_names_with_the_note_of_each() -> None:
    found = cells("paligemma", facts={"note": "Its labels are its own.", "flat": True}) + cells("llava")
    text = page({"versions": {}, "cells": found})
    assert text.index("| LLAVA |") < text.index("| PALIGEMMA |")
    assert "**PALIGEMMA**\n\n- Its labels are its own.\n- A batch holds its images' patches in one flat list." in text
    assert "**LLAVA**" not in text
