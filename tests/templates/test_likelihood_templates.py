"""The answers whose likelihood is asked, as recorded; they change no fingerprint but that of the likelihood tasks."""

import shutil
from pathlib import Path

import pebench_templates
import pytest

SNAPSHOTS = {
    "likelihood_person_answer": "The person shown here is called Ada Quill.",
    "likelihood_scene_answer": "The picture can be described like this. Snow falls.",
}


@pytest.mark.parametrize("template", SNAPSHOTS)
def test_answers_are_worded_as_recorded(template: str) -> None:
    assert pebench_templates.render(template, name="Ada Quill", description="Snow falls.") == SNAPSHOTS[template]


def test_every_one_is_recorded() -> None:
    assert {name for name in pebench_templates.names() if name.startswith("likelihood_")} == SNAPSHOTS.keys()


def test_their_wording_changes_no_fingerprint_but_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    functions = (
        pebench_templates.fingerprint, pebench_templates.attack_fingerprint, pebench_templates.likelihood_fingerprint
    )  # fmt: skip

    def fingerprints() -> list[str]:
        for function in functions:
            function.cache_clear()
        return [function() for function in functions]

    before = fingerprints()
    shutil.copytree(pebench_templates.FOLDER, tmp_path / "templates")
    monkeypatch.setattr(pebench_templates, "FOLDER", tmp_path / "templates")
    (tmp_path / "templates" / "likelihood_person_answer.jinja").write_text("{#- -#} other")
    after = fingerprints()
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False]
    (tmp_path / "templates" / "attack_role_play.jinja").write_text("{#- -#} other")
    assert fingerprints()[2] == after[2]
    monkeypatch.undo()
    assert fingerprints() == before
