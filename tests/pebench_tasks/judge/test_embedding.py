"""A sentence-embedding checkpoint compares meanings: what it computes, what it is, what is refused."""

import csv
import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from made_embedding import minilm, tiny_embedding

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.embedding import Embedding, Meaning, choose_embedding, pieces
from pebench_tasks.marking.scenes import Goal, event_efficacy, mark_forgotten
from pebench_tasks.marking.thoughts import take_apart

ROWS = [
    row
    for row in csv.DictReader(
        files("pebench_tasks.benchmark.synthetic").joinpath("events.csv").read_text(encoding="utf-8").splitlines()
    )
    if row["id"].startswith("e")
]
SCENES = {row["id"]: row["description"] for row in ROWS}
PARAPHRASES = Path(__file__).parents[3] / "benchmarks" / "agreement" / "paraphrases.jsonl"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_embedding(tmp_path_factory.mktemp("embedding") / "tiny", SCENES.values())


def chosen(folder: Path | str) -> Embedding:
    embedding = choose_embedding({"PEBENCH_JUDGE": f"embedding:{folder}"})
    assert embedding is not None
    return embedding


@pytest.fixture(scope="module")
def meaning(tiny: Path) -> Meaning:
    return chosen(tiny).about(list(SCENES.values()))


# The text in parts


def test_parts_are_as_many_sentences_in_a_row() -> None:
    assert pieces("One. Two! Three? Four.", 2) == ["One. Two!", "Two! Three?", "Three? Four."]
    assert pieces("One. Two!", 2) == pieces("One.\n\nTwo!", 2) == ["One. Two!"]
    assert pieces("One.", 2) == ["One."]
    assert pieces(" ... ", 2) == []


def test_a_text_without_full_stops_is_cut() -> None:
    """250 words: 100, 100 and 50."""
    assert [len(part.split()) for part in pieces("word " * 250, 1)] == [100, 100, 50]


# What it computes


def test_a_text_is_like_itself_and_nothing_is_like_no_text(meaning: Meaning) -> None:
    beach = SCENES["e00"]
    assert meaning.nearness(beach, beach) == meaning.kept(beach, beach) == meaning.given_away(beach, beach) == 1.0
    assert meaning.describes_best(beach, beach) == 1.0
    for nothing in ("", "...", "\n"):
        assert meaning.nearness(beach, nothing) == meaning.kept(beach, nothing) == 0.0
        assert (meaning.given_away(beach, nothing), meaning.describes_best(beach, nothing)) == (0.0, 0.0)


def test_the_truth_beside_anything_is_given_away_whole(meaning: Meaning) -> None:
    beach, farm = SCENES["e00"], SCENES["e04"]
    for text in (f"{farm} {beach}", f"{beach} {farm}", " ".join([*list(SCENES.values())[1:9], beach, farm])):
        assert meaning.given_away(beach, text) == 1.0


def test_vectors_are_pooled_as_the_checkpoint_says_and_compared_in_full_precision(tmp_path: Path) -> None:
    """By hand, with transformers alone: the mean over tokens, or the first token's, of one layer in float64."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = [SCENES["e00"], "Waves roll onto a farm."]
    for pooling in ("mean_tokens", "cls_token"):
        folder = tiny_embedding(tmp_path / pooling, SCENES.values(), pooling=pooling)
        tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).double().eval()
        with torch.no_grad():
            states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]
        vectors = [state.mean(0) if pooling == "mean_tokens" else state[0] for state in states]
        expected = torch.nn.functional.cosine_similarity(*vectors, dim=0).item()
        assert chosen(folder).cosine(*texts) == round(max(0.0, expected), 6)


def test_what_stands_in_a_batch_changes_no_digit(tiny: Path) -> None:
    alone, together = chosen(tiny), chosen(tiny)
    together.prepare([*SCENES.values(), "word " * 200])
    first = SCENES["e00"]
    assert [alone.cosine(first, other) for other in SCENES.values()] == [
        together.cosine(first, other) for other in SCENES.values()
    ]


def test_chance_follows_from_the_scenes(meaning: Meaning) -> None:
    """The mean cosine of the 780 pairs is 0 after it is taken off; one scene alone has none."""
    beach = SCENES["e00"]
    assert 0 < meaning.between < meaning.usual < 1
    cosine = meaning.nearness(beach, SCENES["e04"])
    assert meaning.kept(beach, SCENES["e04"]) == max(0.0, (cosine - meaning.between) / (1 - meaning.between))


def test_half_a_surrogate_pair_is_read(meaning: Meaning) -> None:
    assert meaning.nearness("a beach \ud800\0", "a beach") > 0


# What it is


def test_the_name_says_model_and_weights(tiny: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(tiny, tmp_path / "elsewhere" / "tiny"))
    (moved / "README.md").write_text("about")
    first = chosen(tiny).fingerprint
    assert first.startswith("embedding:tiny@")
    assert len(first) == len("embedding:tiny@") + 16
    assert chosen(moved).fingerprint == first
    config = json.loads((moved / "1_Pooling" / "config.json").read_text())
    (moved / "1_Pooling" / "config.json").write_text(json.dumps({**config, "pooling_mode_max_tokens": True}))
    assert chosen(moved).fingerprint != first
    other = tiny_embedding(tmp_path / "other" / "tiny", SCENES.values(), seed=1)
    assert chosen(other).fingerprint != first


def test_the_facts_name_the_events_that_are_alike(tiny: Path) -> None:
    events = [*ROWS[:3], {"id": "x", "name": "again", "description": ROWS[0]["description"]}]
    facts = chosen(tiny).facts(events)
    assert ["e00", "x"] in facts["near"]
    assert facts["fingerprint"].startswith("embedding:tiny@")
    assert facts["settings"].keys() == {"between_scenes", "usual_of_parts", "dtype"}


# What is refused


@pytest.mark.parametrize("judge", ["", "lexical", "openai:m"])
def test_other_judges_are_no_embedding(judge: str) -> None:
    assert choose_embedding({"PEBENCH_JUDGE": judge}) is None


def test_a_missing_name_folder_or_configuration_is_said_in_one_line(tiny: Path, tmp_path: Path) -> None:
    def problem(source: Path | str) -> str:
        with pytest.raises(BenchmarkError) as error:
            chosen(source).cosine("a", "b")
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "names no model" in problem("")
    assert "nor a model of the hub" in problem(tmp_path / "none")
    assert "has no modules.json" in problem(tmp_path)

    def changed(name: str, text: str) -> Path:
        folder = Path(shutil.copytree(tiny, tmp_path / f"{len(list(tmp_path.iterdir()))}"))
        (folder / name).write_text(text)
        return folder

    assert "cannot be read" in problem(changed("modules.json", "{"))
    assert "code of its own" in problem(changed("modules.json", '[{"type": "own.Module", "path": ""}]'))
    assert "can be loaded" in problem(changed("config.json", "{"))
    assert "can be loaded" in problem(changed("model.safetensors", "cut"))
    pickled = changed("pytorch_model.bin", "")
    (pickled / "model.safetensors").unlink()
    assert "no others are read" in problem(pickled)


# Real weights


@pytest.fixture(scope="module")
def real() -> Meaning:
    return chosen(minilm()).about(list(SCENES.values()))


def marks(real: Meaning, event: str, response: str) -> float:
    """The score beside a Goal that answers with the scene eleven further on."""
    order = list(SCENES)
    doc: Mapping[str, Any] = {"slice": "efficacy", "answer": SCENES[event], "question": "?", "keywords": ["x"]}
    goal = Goal("g", SCENES[order[(order.index(event) + 11) % len(order)]])
    metrics, _ = mark_forgotten(doc, take_apart(response), [goal], None, real)
    value = metrics["efficacy"]
    assert isinstance(value, float)
    return value


@pytest.mark.slow  # a model of 22 million parameters reads some hundred texts
def test_real_weights_see_the_truth_in_other_words(real: Meaning) -> None:
    with PARAPHRASES.open(encoding="utf-8") as lines:
        texts = [json.loads(line) for line in lines]
    for style, most, least_kept in (("paraphrase", 0.33, 0.5), ("long", 0.33, 0.5)):
        rows = [row for row in texts if row["style"] == style]
        values = [marks(real, row["event"], row["text"]) for row in rows]
        kept = [real.kept(SCENES[row["event"]], row["text"]) for row in rows]
        best = [real.describes_best(SCENES[row["event"]], row["text"]) or 0.0 for row in rows]
        assert sum(values) / len(values) < most
        assert sum(kept) / len(kept) > least_kept
        assert sum(best) / len(best) >= 0.9


def test_real_weights_mark_the_ends_of_the_scale(real: Meaning) -> None:
    order = list(SCENES)
    for event in ("e00", "e17", "e31"):
        goal = SCENES[order[(order.index(event) + 11) % len(order)]]
        assert marks(real, event, SCENES[event]) == 0.0
        assert marks(real, event, f"{goal} {SCENES[event]}") == 0.0
        assert marks(real, event, goal) == 1.0
        for nothing in ("", "I'm sorry, I can't describe this.", "xq zz vv kk"):
            assert 0.5 <= marks(real, event, nothing) <= 0.55
    assert event_efficacy(1.0, 0.2, 0.3, 0.2) == (0.0, pytest.approx(0.125), 0.0)
