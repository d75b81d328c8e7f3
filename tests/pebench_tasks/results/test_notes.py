from typing import Any

from made_results import record

from pebench_tasks.marking.failures import SIGNS
from pebench_tasks.results.notes import accounted, failing, failing_slices
from pebench_tasks.results.record import ResultRecord


def result(**facts: Any) -> ResultRecord:
    slices = {name: {"n": 4, "other": 4, "empty": 3} for name in ("retain", "real", "world")}
    return record(**{"slices": slices, "mostly_empty": [], **facts})


def test_every_sign_names_its_slices() -> None:
    found = result(mostly_empty=["retain"], mostly_echoed=["real"], echoed={"real": 3}, unanswered={"world": 1})
    assert [(one.sign, one.slice_name, one.responses, one.n) for one in failing(found)] == [
        (SIGNS["empty"], "retain", 3, 4),
        (SIGNS["echoed"], "real", 3, 4),
        (SIGNS["unanswered"], "world", 1, 4),
    ]
    assert list(failing_slices(found).values()) == [["retain"], ["real"], ["world"]]
    assert accounted(found)["real"] == {"n": 4, "other": 4, "empty": 3, "echoed": 3, "unanswered": 0}


def test_results_of_earlier_versions_have_only_empty_slices() -> None:
    assert failing(result()) == []
    assert [one.slice_name for one in failing(result(mostly_empty=["world"]))] == ["world"]
    assert failing(result(mostly_empty=["world"], slices={}))[0][1:] == ("world", 0, 0)  # withheld: no counts
    assert accounted(result())["real"]["echoed"] == 0
