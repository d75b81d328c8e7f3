"""What differs between versions of the libraries we stand on, and what is said of those that were not tested."""

from collections.abc import Collection

import pytest

from pebench_tasks import versions


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The versions that are found; each test changes its own."""
    found = {"lmms-eval": "0.7.3", "transformers": "5.24.0"}
    monkeypatch.setattr(versions, "version", found.__getitem__)
    monkeypatch.setattr(versions, "say_untested", versions.say_untested.__wrapped__)
    return found


@pytest.mark.parametrize("transformers", ["5.16.1", "5.23.0", "5.24.0", "5.24.7"])
def test_nothing_is_said_of_tested_versions(
    installed: dict[str, str], transformers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    installed["transformers"] = transformers
    versions.say_untested()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("library", "found", "newest"),
    [("transformers", "5.25.0", "5.24"), ("transformers", "6.0.0.dev0", "5.24"), ("lmms-eval", "0.7.4", "0.7.3")],
)
def test_what_is_newer_than_the_tested_is_said_and_tried(
    installed: dict[str, str], library: str, found: str, newest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    installed[library] = found
    versions.say_untested()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pebench: {library} {found} is newer than {newest}, ")


def test_it_is_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version", lambda library: "99")
    versions.say_untested.cache_clear()
    try:
        versions.say_untested()
        versions.say_untested()
        assert len(capsys.readouterr().err.splitlines()) == len(versions.NEWEST)
    finally:
        versions.say_untested.cache_clear()


BEFORE = {"gradient_checkpointing", "gradient_checkpointing_kwargs", "learning_rate"}
SINCE = {"activation_checkpointing", "activation_checkpointing_kwargs", "learning_rate"}


@pytest.mark.parametrize(
    ("given", "known", "wanted"),
    [
        ("activation_checkpointing", BEFORE, "gradient_checkpointing"),
        ("activation_checkpointing_kwargs", BEFORE, "gradient_checkpointing_kwargs"),
        ("gradient_checkpointing", SINCE, "activation_checkpointing"),
        ("gradient_checkpointing_kwargs", SINCE, "activation_checkpointing_kwargs"),
        ("gradient_checkpointing", BEFORE | SINCE, "gradient_checkpointing"),
        ("learning_rate", SINCE, "learning_rate"),
        ("activation_offloading", BEFORE, "activation_offloading"),
    ],
)
def test_options_that_were_renamed_have_the_installed_name(given: str, known: Collection[str], wanted: str) -> None:
    assert versions.training_option(given, known) == wanted


def test_a_cache_is_found_by_either_name() -> None:
    assert versions.kept_cache({"cache": 1}) == versions.kept_cache({"past_key_values": 1}) == 1
    assert versions.kept_cache({}) is None


def test_an_argument_that_a_function_does_not_have_is_left_out() -> None:
    def old(tasks: str) -> None: ...

    def new(tasks: str, process_docs_parallel: int) -> None: ...

    assert versions.known_arguments(old, process_docs_parallel=4) == {}
    assert versions.known_arguments(new, process_docs_parallel=4) == {"process_docs_parallel": 4}
