"""Results written again hold the figures of the new marks, and no others."""

from pebench_tasks.marking.record import DocumentRecord
from pebench_tasks.marking.scoring import Score
from pebench_tasks.results.rewriting import put_figures

FIELDS = ("key", "slice", "target", "kind", "data", "split", "template", "forget")


def test_a_figure_that_no_document_gives_any_more_is_gone() -> None:
    """Efficacy, where every Goal says the truth itself; its companions stay, and so does what is no figure."""
    record = DocumentRecord(**dict.fromkeys(FIELDS, "x"), unscored=True)
    before = {
        "alias": "x", "efficacy,none": 1.0, "efficacy_stderr_clt,none": 0.1, "efficacy_keywords,none": 0.5,
        "efficacy_keywords_stderr_clt,none": 0.1, "provenance,none": {}, "provenance_stderr,none": [],
    }  # fmt: skip
    content = {"results": {"pebench_events": dict(before)}}
    put_figures(content, "pebench_events", [Score({"efficacy_keywords": 0.5}, record)], {"n": 1})
    gone = {"efficacy,none", "efficacy_stderr_clt,none"}
    assert content["results"]["pebench_events"] == {
        name: value for name, value in before.items() if name not in gone
    } | {"provenance,none": {"n": 1}}
