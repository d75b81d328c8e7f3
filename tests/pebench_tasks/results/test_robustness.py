import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pebench_tasks.cli import main
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.results.robustness import Point, robustness, uninformative, verdict, worst_cases, write_csv
from pebench_tasks.results.robustness_tables import show, write_latex

Sides = tuple[str, str]  # of each person one character: known (1) or not (0), forgotten and retained ones
KEPT = "1" * 12
DATA = {"data": "d" * 16, "split": "s" * 16, "template": "t" * 16, "forget": "forget20", "target": "person"}


MADE = {"target": "person", "split": "s" * 16}


def asked(
    folder: Path, name: str, method: str, attacks: Mapping[str, Sides | str], *, made: Mapping[str, str] = MADE,
    weights: str = "", load_in: str = "", **changes: str,
) -> None:  # fmt: skip
    """A result of ``pebench_people_robust`` with two documents a person; a text says why an attack was not asked."""
    where, task = folder / (f"{name}-{load_in}" if load_in else name), "pebench_people_robust"
    where.mkdir(parents=True)
    said = {**DATA, **changes}
    lines, slices, lacking = [], {}, {}
    for attack, marks in attacks.items():
        for side, known in zip(("forget", "retain"), ("?" * 12, "?" * 12) if " " in marks else marks, strict=True):
            slices[f"{attack}_{side}"] = {"n": 24}
            if " " in marks:
                lacking[f"{attack}_{side}"] = marks
            for person, mark in enumerate(known):
                for event in range(2):
                    who = f"{side[0]}{person:03d}"
                    record = {
                        **said, "key": f"{who}/e{event}/name/{attack}/0", "slice": f"{attack}_{side}", "kind": "name",
                        "attack": attack, "side": side, "concept": "person", "cluster": who, "pair": "", "judge": None,
                        "value": None if mark == "?" else float(mark), "outcome": "not asked" if " " in marks else "x",
                    }  # fmt: skip
                    lines.append(json.dumps({"filtered_resps": ["words"], "provenance": record}))
    model = {"pretrained": f"runs/{name}", "method": method, "weights": weights or name, **made, "load_in": load_in}
    provenance = {**said, "access": "questions", "slices": slices, "withheld": "", "not_asked": lacking, "model": model}
    results = {"results": {task: {"provenance,none": provenance}}, "versions": {task: 1.0}}
    (where / "20260101_000000_results.json").write_text(json.dumps(results))
    (where / f"20260101_000000_samples_{task}.jsonl").write_text("\n".join(lines) + "\n")


def attacked(folder: Path, name: str, method: str, attacks: Mapping[str, Mapping[Any, Sides]]) -> None:
    """An ``attack.json``: by attack and level."""
    where = folder / f"{name}-attack"
    where.mkdir(parents=True)

    def point(at: Any, marks: Sides) -> dict[str, Any]:
        sides = dict(zip(("forget", "retain"), marks, strict=True))
        return {"at": at} | {
            side: {f"{side[0]}{person:03d}/e0/name": float(mark) for person, mark in enumerate(known)}
            for side, known in sides.items()
        }

    said = {
        "format": "pebench-attack/1", "checkpoint": f"runs/{name}", "weights": name, **DATA,
        "model": {"method": method, **MADE},
        "attacks": {
            attack: {
                "access": "inside" if attack in ("rescale", "depth") else "weights",
                "points": [point(at, marks) for at, marks in levels.items()],
            }
            for attack, levels in attacks.items()
        },
    }  # fmt: skip
    (where / "attack.json").write_text(json.dumps(said))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Finetuned knows all; Goal guesses 2 of 12 choices; ``gd`` says 6 of 12 names when asked in other words."""
    nothing, kept = "0" * 12, (KEPT, KEPT)
    names = {"direct": kept, "paraphrase": kept, "choice": kept, "yes_no": kept, "prefill": kept}
    asked(tmp_path, "finetuned", "finetune", names)
    guesses = {"choice": ("11" + "0" * 10, KEPT), "yes_no": kept}
    asked(tmp_path, "goal-a", "goal", {**dict.fromkeys(names, (nothing, KEPT)), **guesses})
    other_words = ("1" * 6 + "0" * 6, "1" * 9 + "000")
    said: dict[str, Sides | str] = {"direct": (nothing, KEPT), "paraphrase": other_words, "yes_no": (nothing, KEPT)}
    asked(tmp_path, "gd", "gd", {**said, "choice": ("111" + "0" * 9, KEPT), "prefill": "a turn that is begun"})
    return tmp_path


def by_attack(found: Any) -> dict[str, Any]:
    return {row.point.name: row for row in found.rows}


def test_a_model_stands_between_finetuned_and_goal(results: Path) -> None:
    found = robustness([results])
    assert (found.references, found.models()) == ({"person": ("finetuned", "goal-a")}, ["gd"])
    rows = by_attack(found)
    assert rows["direct"].recovery.share == 0
    assert rows["paraphrase"].recovery.share == pytest.approx(0.5)
    assert rows["choice"].recovery.share == pytest.approx((3 - 2) / (12 - 2))
    assert rows["paraphrase"].retain.value == pytest.approx(-0.25)
    assert rows["direct"].baseline
    assert not rows["choice"].baseline


def test_the_worst_case_is_an_attack_that_tells_knowing_from_not_knowing(results: Path) -> None:
    found = robustness([results])
    assert {access: row.point.name for access, row in worst_cases(found.rows).items()} == {"questions": "paraphrase"}
    assert [row.point.name for row in uninformative(found.rows)] == ["yes_no"]
    (line,) = verdict(found.rows)
    assert line.startswith("questions: at worst paraphrase brings back 50% (")


def test_what_a_backend_cannot_do_is_not_asked_and_no_score(results: Path) -> None:
    found = robustness([results])
    assert "prefill" not in by_attack(found)
    assert found.not_asked == {"gd": {Point("person", "questions", "prefill", ""): "a turn that is begun"}}


def test_attacks_on_weights_stand_apart_with_their_curves(results: Path) -> None:
    curves: dict[str, dict[Any, Sides]] = {
        "finetuned": {0: (KEPT, KEPT), 60: (KEPT, KEPT)},
        "goal-a": {0: ("0" * 12, KEPT), 60: ("1" * 3 + "0" * 9, KEPT)},
        "gd": {0: ("0" * 12, KEPT), 60: ("1" * 12, KEPT)},
    }
    for name, curve in curves.items():
        attacked(results, name, {"finetuned": "finetune", "goal-a": "goal"}.get(name, name), {"relearn_half": curve})
    found = robustness([results])
    rows = by_attack(found)
    assert rows["relearn_half @ 60"].recovery.share == 1
    assert rows["relearn_half @ 0"].baseline
    assert {access: row.point.name for access, row in worst_cases(found.rows).items()} == {
        "questions": "paraphrase",
        "weights": "relearn_half @ 60",
    }


def test_a_thin_edit_over_unchanged_knowledge_is_said_to_be_one(results: Path) -> None:
    """Half of the change undone, all names are back: said in words, and in no worst case."""
    nothing = "0" * 12
    for name, method in (("finetuned", "finetune"), ("goal-a", "goal"), ("gd", "gd")):
        known = {"finetune": (KEPT, KEPT, KEPT), "goal": (KEPT, nothing, nothing), "gd": (KEPT, KEPT, nothing)}[method]
        levels: dict[Any, Sides] = {at: (marks, KEPT) for at, marks in zip((0.0, 0.5, 1.0), known, strict=True)}
        attacked(results, name, method, {"rescale": levels})
    found = robustness([results])
    assert "inside" not in worst_cases(found.rows)
    assert any("scaled to 0.5 it shows 100% again: a thin edit" in line for line in verdict(found.rows))


def test_what_is_still_there_in_depth_is_said(results: Path) -> None:
    """``known`` of depth is 1 - UDS: Finetuned has 1, Goal 0; of six people in twelve it is all there."""
    for name, method, known in (
        ("finetuned", "finetune", KEPT),
        ("goal-a", "goal", "0" * 12),
        ("gd", "gd", "1" * 6 + "0" * 6),
    ):
        attacked(results, name, method, {"depth": {"whole model": (known, KEPT)}})
    found = robustness([results])
    assert any(line.startswith("inside: by depth 50% (") for line in verdict(found.rows))


def test_a_model_that_lost_everything_is_not_called_robust(results: Path) -> None:
    nothing = "0" * 12
    asked(results, "ga", "ga", dict.fromkeys(("direct", "paraphrase", "choice", "yes_no"), (nothing, nothing)))
    rows = [row for row in robustness([results]).rows if row.model == "ga"]
    lines = verdict(rows)
    assert lines[0].startswith("questions: no attack clearly brings back more than Goal shows")
    assert lines[1] == (
        "of what had to stay it shows 0.00, Finetuned 1.00: broken, so nothing here says that it is robust"
    )


def test_a_second_goal_leaks_nothing_beyond_the_first(results: Path) -> None:
    again = {"direct": ("0" * 12, KEPT), "paraphrase": ("0" * 12, KEPT), "choice": ("0" * 10 + "11", KEPT)}
    asked(results, "goal-b", "goal", again)
    rows = [row for row in robustness([results]).rows if row.model == "goal-b"]
    assert all((row.recovery.low or 0) <= 0 for row in rows)
    assert "no attack clearly brings back more than Goal shows" in verdict(rows)[0]


def test_references_can_be_named(results: Path) -> None:
    found = robustness([results], goal="gd")
    assert (found.references, found.models()) == ({"person": ("finetuned", "gd")}, ["goal-a"])
    with pytest.raises(BenchmarkError, match=r"There is no model 'gold' \(--goal\). Found: finetuned, gd, goal-a"):
        robustness([results], goal="gold")


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["gd"], "There is no Finetuned \\(person\\) among gd"),
        (["finetuned", "gd"], "There is no Goal of this forget set \\(person\\) among finetuned, gd"),
        (["finetuned", "goal-a"], "there is no model"),
    ],
)
def test_without_a_reference_or_a_model_there_is_no_share(results: Path, names: list[str], reason: str) -> None:
    with pytest.raises(BenchmarkError, match=reason):
        robustness([results / name for name in names])


def test_results_of_several_benchmarks_are_refused(results: Path) -> None:
    asked(results, "npo", "npo", {"direct": (KEPT, KEPT)}, data="e" * 16)
    with pytest.raises(BenchmarkError, match="differ in their data"):
        robustness([results])


def test_a_folder_without_attacks_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"no results of attacks. Make some:  pebench score CKPT --attacks all"):
        robustness([tmp_path])
    with pytest.raises(BenchmarkError, match="There is no file or folder"):
        robustness([tmp_path / "nowhere"])


def test_a_damaged_record_is_named(results: Path) -> None:
    (results / "attack.json").write_text('{"format": "pebench-attack/1"}')
    with pytest.raises(BenchmarkError, match=r"attack.json cannot be read as a record of attacks"):
        robustness([results])


def test_tables_say_what_the_rows_do(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert main(["robustness", str(results), "--csv", str(out / "rows.csv"), "--latex", str(out / "rows.tex")]) == 0
    said = capsys.readouterr().out
    assert "* paraphrase" in said
    assert "uninformative here, as Finetuned shows no more than Goal: yes_no\n" in said
    assert "yes_no  " not in said
    assert "not asked: prefill (a turn that is begun)" in said
    rows = list(csv.DictReader((out / "rows.csv").open()))
    assert [(row["attack"], row["recovered"], row["worst"]) for row in rows[:2]] == [
        ("direct", "0.0", "False"),
        ("paraphrase", "0.5", "True"),
    ]
    table = (out / "rows.tex").read_text()
    assert r"paraphrase & \textbf{0.50} [" in table
    assert r"yes\_no & --" in table


def test_nothing_is_written_wider_than_a_terminal(results: Path, tmp_path: Path) -> None:
    """At 80 columns no cell of a table is cut, with the longest names and signs before all numbers."""
    nothing = "0" * 12
    for name, method, known in (("finetuned", "finetune", KEPT), ("goal-a", "goal", nothing), ("gd", "gd", nothing)):
        kept = nothing if name == "gd" else KEPT
        attacked(
            results, name, method, {"rounding": {"bfloat16": (known, kept)}, "depth": {"whole model": (known, kept)}}
        )
    console = Console(width=80, file=(tmp_path / "shown").open("w"))
    show(robustness([results]), console)
    console.file.close()
    assert "…" not in (tmp_path / "shown").read_text()
    write_csv(robustness([results]), tmp_path / "rows.csv")
    write_latex(robustness([results]), tmp_path / "rows.tex")


def test_a_goal_of_another_target_or_forget_set_is_no_floor(results: Path) -> None:
    """It knows what these people are called."""
    for name, made in (("goal-0", {"target": "event", "split": "e" * 16}), ("goal-00", {**MADE, "split": "f" * 16})):
        asked(results, name, "goal", {"direct": (KEPT, KEPT)}, made=made)
    assert robustness([results]).references == {"person": ("finetuned", "goal-a")}


def test_two_checkpoints_of_one_name_are_refused(results: Path) -> None:
    asked(results / "seed1", "gd", "gd", {"direct": (KEPT, KEPT)}, weights="other")
    with pytest.raises(BenchmarkError, match="Two checkpoints are called gd"):
        robustness([results])


def test_rounded_weights_are_an_attack_on_their_model(results: Path) -> None:
    for name, method, known in (("finetuned", "finetune", KEPT), ("goal-a", "goal", "0" * 12), ("gd", "gd", KEPT)):
        asked(results, name, method, {"direct": (known, KEPT)}, load_in="int4")
    found = robustness([results])
    assert found.models() == ["gd"]
    (row,) = [row for row in found.rows if row.point.access == "weights"]
    assert (row.point.attack, row.recovery.share, row.baseline) == ("direct_int4", 1, False)


def test_the_model_as_it_is_is_no_attack(results: Path) -> None:
    for name, method, known in (("finetuned", "finetune", KEPT), ("goal-a", "goal", "0" * 12), ("gd", "gd", KEPT)):
        attacked(results, name, method, {"rounding": {"float32": (known, KEPT)}})
    found = robustness([results])
    assert [row.baseline for row in found.rows if row.point.attack == "rounding"] == [True]
    assert "weights" not in worst_cases(found.rows)


def test_a_clear_recovery_goes_before_a_larger_one_that_may_be_chance(results: Path) -> None:
    """Of text_only six people know half a person more than Goal, of prefill all twelve a little."""
    clear = [("finetuned", "finetune", KEPT), ("goal-a", "goal", "0" * 12), ("npo", "npo", "1" * 5 + "0" * 7)]
    for name, method, known in clear:
        asked(results / "more", name, method, {"image_blur": (known, KEPT)})
    rows = [row for row in robustness([results]).rows if row.model == "npo"]
    assert [line for line in verdict(rows) if line.startswith("questions: at worst image_blur brings back 42% (")]


def test_answers_that_are_error_messages_give_no_figure(results: Path) -> None:
    """Two of 24, more than 5 %."""
    asked(results, "npo", "npo", {"direct": ("?" + "0" * 11, KEPT), "choice": (KEPT, KEPT)})
    found = robustness([results])
    assert [row.point.attack for row in found.rows if row.model == "npo"] == ["choice"]
    assert "2 of 24 answers are error messages" in found.not_asked["npo"].values()


def test_what_a_reference_was_not_asked_is_said(results: Path) -> None:
    asked(results, "npo", "npo", {"direct": (KEPT, KEPT), "image_flip": (KEPT, KEPT)})
    assert "not asked of finetuned" in robustness([results]).not_asked["npo"].values()
