"""The agreement study: what it computes from a few responses by hand, what it refuses, and its committed files."""

from collections import Counter
from pathlib import Path

import agreement
import agreement_measures
import agreement_responses
import numpy as np
import pytest
from agreement_measures import Row, measure, read_responses
from agreement_responses import choose, kind, sheet
from made_results import record
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pebench_tasks.errors import BenchmarkError

RESULTS = Path(agreement.__file__).parent / "results"
SCENES = ["waves roll onto a sunny beach", "a cow and two sheep graze", "stars fill the night sky above"]
BEACH, FARM, STARS = SCENES


def response(key: str, text: str, goal: str | None = FARM) -> Row:
    origin = {"run": "seed 0", "model": "ga-event", "key": f"p0/{key}/scene"}
    words = {"keywords": ["beach", "waves"], "truth": BEACH, "goal": goal, "response": text}
    return {"id": key, **origin, "kind": kind(BEACH, goal, text, SCENES), **words}


ROWS = [
    response("a", BEACH),
    response("b", FARM),
    response("c", "waves roll onto a red barn"),
    response("d", "waves roll onto a sunny beach", goal=None),
]
LABELS = "id,forgotten,similar\na,1,5\nb,5,1\nc,3,3\nd,,5\n"
COSINES = "id,response_truth,response_goal,goal_truth\na,1,0.5,0.5\nb,0.5,1,0.5\nc,0.8,0.6,0.5\nd,1,,\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "labels.csv").write_text(LABELS)
    (tmp_path / "embeddings.csv").write_text(COSINES)
    return tmp_path / "labels.csv", tmp_path / "embeddings.csv"


def test_measures_by_hand(files: tuple[Path, Path]) -> None:
    """ "waves roll onto a red barn" has two of the truth's content words (waves, roll, sunny, beach): (1/2 - 0.2) /
    0.8 = 3/8 given away, 5/8 away; no more of Goal's answer than the truth has ("a"): 5/16. By cosines: away
    (1 - 0.8) / (1 - 0.5) = 0.4, toward (0.6 - 0.5) / (1 - 0.5) = 0.2: 0.4 * 1.2 / 2 = 0.24.
    """
    true, goals, mixed, kept = measure(ROWS, *files)
    assert [row["lexical_efficacy"] for row in (true, goals, mixed)] == pytest.approx([0, 1, 5 / 16])
    assert [row["embedding_efficacy"] for row in (true, goals, mixed)] == pytest.approx([0, 1, 0.24])
    assert [row["keywords_efficacy"] for row in (true, goals, mixed)] == pytest.approx([0, 1, 0.5])
    assert [row["label_efficacy"] for row in (true, goals, mixed)] == [0, 1, 0.5]
    assert [row["lexical_retain"] for row in (true, goals, mixed, kept)] == pytest.approx([1, 1 / 6, 4 / 6, 1])
    assert [row["label_retain"] for row in (true, goals, mixed, kept)] == [1, 0, 0.5, 1]
    assert "lexical_efficacy" not in kept


@pytest.mark.parametrize(
    ("labels", "refusal"),
    [
        (LABELS.replace("c,3,3\n", ""), "nothing about c"),
        (LABELS + "x,1,1\n", "no response has the id x"),
        (LABELS + "a,1,1\n", "occurs twice"),
        (LABELS.replace("c,3,3", "c,6,3"), "forgotten of c is '6'"),
        (LABELS.replace("c,3,3", "c,3,0"), "similar of c is '0'"),
        (LABELS.replace("c,3,3", "c,,3"), "forgotten of c is ''"),
        (LABELS.replace("c,3,3", "c,2.5,3"), "forgotten of c is '2.5'"),
        (LABELS.replace("d,,5", "d,2,5"), "d must be kept"),
    ],
)
def test_wrong_labels_are_refused(files: tuple[Path, Path], labels: str, refusal: str) -> None:
    files[0].write_text(labels)
    with pytest.raises(BenchmarkError, match=refusal):
        measure(ROWS, *files)


def test_missing_labels_are_an_error(files: tuple[Path, Path]) -> None:
    files[0].unlink()
    with pytest.raises(BenchmarkError, match=r"labels\.csv is missing"):
        measure(ROWS, *files)


@pytest.mark.parametrize("ties", [2, 5, 100])
def test_correlations_are_scipys_with_ties(ties: int) -> None:
    draw = np.random.default_rng(ties)
    first, second = draw.normal(size=(3, 40)), draw.integers(ties, size=(3, 40)).astype(float)
    pairs = list(zip(first, second, strict=True))
    assert agreement.spearman(first, second) == pytest.approx([stats.spearmanr(*pair).statistic for pair in pairs])
    assert agreement.kendall(first, second) == pytest.approx([stats.kendalltau(*pair).statistic for pair in pairs])


def test_an_interval_of_equal_orders_is_one_and_a_constant_has_no_correlation() -> None:
    rising = np.arange(20.0)
    assert agreement.interval(agreement.kendall, rising, rising**3) == (1, 1)
    pair = agreement.Pair("x", "lexical", "label", [{"lexical": value, "label": 1.0} for value in rising])
    assert agreement.line(pair) == "| x | 20 | - | - |"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BEACH, "true description"),
        (FARM, "Goal's answer"),
        (STARS, "another scene"),
        ("waves roll onto a sunny cow", "partly true"),  # 3 of 4 triples, all from the truth
        ("stars fill the night sheep graze", "mixture"),  # 2 of 4 from another scene, none from the truth
        ("stras fil the nihgt wavse rol", "gibberish"),
        ("sky sky sky sky sky", "loop"),
        ("I cannot describe this image.", "refusal"),
        (".", "empty"),
    ],
)
def test_kinds_of_response(text: str, expected: str) -> None:
    assert kind(BEACH, FARM, text, SCENES) == expected


def test_no_pair_is_chosen_twice_and_no_model_more_than_twice_about_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement_responses, "WANTED", {"gibberish": (5, 0)})
    texts = ["xa xb xc xd", "xa xb xc xd", "xe xf xg xh", "xi xj xk xl"]
    pool = [{**response("e0", text), "model": model} for model in ("ga", "gd") for text in texts]
    chosen = choose(pool, seed=0)
    assert chosen == choose(pool, seed=0)
    assert len({row["response"] for row in chosen}) == len(chosen) == 3
    assert max(Counter(row["model"] for row in chosen).values()) <= 2


def test_the_sheet_shows_neither_model_nor_kind() -> None:
    shown = sheet(ROWS)
    assert BEACH in shown
    assert FARM in shown
    assert not [word for word in ("ga-event", "seed", "true description", "p0/", "keywords") if word in shown]


def test_cosines_of_mean_embeddings_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings (1, 0) and (0, 1) of two words: one word of each has a cosine of sqrt(1/2) with either."""
    import torch

    words = Tokenizer(models.WordLevel({"sea": 0, "cow": 1}, unk_token="sea"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path)

    class Model:
        def get_input_embeddings(self) -> torch.nn.Embedding:
            return torch.nn.Embedding.from_pretrained(torch.eye(2))

    monkeypatch.setattr("transformers.AutoModelForImageTextToText.from_pretrained", lambda folder: Model())
    rows = [
        {"id": "a", "truth": "sea", "goal": "cow", "response": "sea cow"},
        {"id": "b", "truth": "sea", "goal": None, "response": ""},
    ]
    both, nothing = agreement_measures.embed(rows, tmp_path)
    assert both == {"id": "a", "response_truth": "0.707107", "response_goal": "0.707107", "goal_truth": "0.000000"}
    assert nothing == {"id": "b", "response_truth": "0.000000", "response_goal": "", "goal_truth": ""}


def test_a_checkpoint_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="make demo"):
        agreement_measures.embed(ROWS, tmp_path / "none")


def test_the_committed_responses_are_100_distinct_ones_of_every_kind() -> None:
    rows = read_responses(agreement.DATA / "responses.jsonl")
    assert len({(row["truth"], row["response"]) for row in rows}) == len({row["id"] for row in rows}) == 100
    assert Counter(row["kind"] for row in rows) == {
        name: sum(both) for name, both in agreement_responses.WANTED.items()
    }
    scenes = sorted({row["truth"] for row in rows})
    assert len(scenes) == 10
    assert [row["kind"] for row in rows] == [kind(row["truth"], row["goal"], row["response"], scenes) for row in rows]
    origins = Counter((row["run"], row["model"], row["key"].split("/")[1]) for row in rows)
    assert max(origins.values()) <= 2


def test_the_committed_study_is_what_the_committed_files_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["agreement.py", "--out", str(tmp_path / "again.md")])
    assert agreement.main() == 0
    assert (tmp_path / "again.md").read_text() == (RESULTS / "agreement.md").read_text() == capsys.readouterr().out


def test_figures_of_models_that_a_judge_scored_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pebench_tasks.evaluation.checkpoints import Result
    from pebench_tasks.results import samples

    judged = record(judge="openai:some-model/1a2b3c4d")
    figures = {"efficacy": 1.0, "efficacy_keywords": 0.0}
    logged = samples.Logged(Result("x", "pebench_events", "1.0", figures, judged, tmp_path, tmp_path), [])
    monkeypatch.setattr(samples, "read_logged", lambda folder: [logged])
    (tmp_path / "scores" / "ga-event").mkdir(parents=True)
    with pytest.raises(BenchmarkError, match="no lexical Efficacy"):
        agreement_measures.figures({"seed 0": tmp_path})
    lexical = logged._replace(result=logged.result._replace(provenance=record(judge="lexical")))
    monkeypatch.setattr(samples, "read_logged", lambda folder: [lexical])
    row = {"run": "seed 0", "model": "ga-event", "task": "pebench_events"}
    found = agreement_measures.figures({"seed 0": tmp_path})
    assert found == [{**row, "efficacy": "1.000000", "keywords_gone": "1.000000"}]
