"""How likely ``pebench_hf`` finds given answers, through the harness's own contract."""

import json
import pickle
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from lmms_eval.api.instance import Instance
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager
from PIL import Image

from pebench_tasks.backend.likelihood import LogLikelihood, head_reads, token_scores
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.evaluation.model import EvaluatedHf
from pebench_tasks.marking.likelihoods import TokenScores

NAMES = ("This is Ada Byron.", "This is Alan Turing.", "Ada", "Waves roll onto a sunny beach under a clear sky.")
QUESTIONS = ("Who is the person in this image?", "Describe the scene in detail.", "Who?")


def picture(seed: int) -> Image.Image:
    torch.manual_seed(seed)
    return Image.fromarray(torch.randint(0, 256, (32, 32, 3), dtype=torch.uint8).numpy())


ASKED: list[tuple[str, Image.Image | None, str]] = [
    (question, image, answer)
    for question, image in ((QUESTIONS[0], picture(1)), (QUESTIONS[1], picture(2)), (QUESTIONS[2], None))
    for answer in NAMES
]


def requests(model: PebenchHf, asked: Any = ASKED, *, choices: bool = True) -> list[Instance]:
    """As ``ConfigurableTask`` makes them: a choice is a text behind a space, a target a function of the document."""
    model.task_dict["task"] = {"test": [{"image": image, "answer": answer} for _, image, answer in asked]}

    def visuals(doc: dict[str, Any]) -> list[Image.Image]:
        return [] if doc["image"] is None else [doc["image"]]

    return [
        Instance(
            request_type="loglikelihood",
            arguments=(text, f" {answer}" if choices else lambda doc: doc["answer"], visuals, i, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": i, "repeats": 1},
        )
        for i, (text, _, answer) in enumerate(asked)
    ]


@pytest.fixture(scope="module")
def model(llava: Path) -> PebenchHf:
    return PebenchHf(str(llava), batch_size=5, device="cpu")


def scores(model: PebenchHf, asked: Any = ASKED) -> list[TokenScores]:
    return [found.scores for found in model.loglikelihood(requests(model, asked))]  # type: ignore[attr-defined]


def test_a_token_is_as_likely_as_the_softmax_says_and_its_rank_counts_the_likelier_ones() -> None:
    """By hand: of the logits 0, log 2 and log 5 the tokens have 1/8, 2/8 and 5/8."""

    class Fixed(torch.nn.Module):
        """Says the same of every token: its head's weights are the logits, and what it reads is 1."""

        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(1, 3, bias=False)
            self.head.weight.data = torch.tensor([[0.0], [log(2)], [log(5)]])

        def get_output_embeddings(self) -> torch.nn.Module:
            return self.head

        def forward(self, input_ids: torch.Tensor, use_cache: bool) -> Any:
            hidden = torch.ones(*input_ids.shape, 1)
            return type("Output", (), {"logits": self.head(hidden)})

    ids = torch.tensor([[2, 2, 1, 0], [2, 2, 0, 0], [0, 1, 2, 2]])
    answers = torch.tensor([[False, True, True, False], [False, False, True, False], [False, False, True, True]])
    found = token_scores(Fixed(), {"input_ids": ids}, answers)
    assert [one.ranks for one in found] == [(1, 2), (3,), (1, 1)]
    assert [one.tokens for one in found] == [(2, 1), (0,), (2, 2)]
    assert found[0].logps == pytest.approx((log(5 / 8), log(2 / 8)))
    assert found[1].logps == pytest.approx((log(1 / 8),))
    assert [one.greedy for one in found] == [False, False, True]


def test_the_head_reads_nothing_but_the_positions_and_is_left_as_it_was() -> None:
    head, seen = torch.nn.Linear(2, 3), []
    hidden = torch.arange(8.0).reshape(2, 2, 2)
    with head_reads(head, torch.tensor([[True, False], [False, True]]), seen):
        assert head(hidden).shape == (1, 2, 3)
    assert seen[0].tolist() == [[0, 1], [6, 7]]
    assert head(hidden).shape == (2, 2, 3)


def test_neither_batch_size_nor_order_nor_packed_layers_change_a_likelihood(
    model: PebenchHf, llava: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(model)
    monkeypatch.setattr("pebench_tasks.backend.packed_linear.SMALLEST", 0)
    for batch_size, packed in ((1, False), (16, False), (3, True)):
        other = PebenchHf(str(llava), batch_size=batch_size, device="cpu", packed=packed)
        for found in (scores(other), scores(other, ASKED[::-1])[::-1]):
            for one, wanted in zip(found, expected, strict=True):
                assert one.logps == pytest.approx(wanted.logps, abs=1e-5)
    assert len({one.logps for one in expected}) == len(ASKED)


def test_a_target_gets_the_log_probability_and_a_choice_the_loss_of_which_the_harness_takes_the_smallest(
    model: PebenchHf,
) -> None:
    targets = model.loglikelihood(requests(model, choices=False))
    choices = model.loglikelihood(requests(model, choices=True))
    for target, choice in zip(targets, choices, strict=True):
        assert isinstance(target, LogLikelihood)
        assert target[0] == sum(target.scores.logps)
        assert choice == (-target[0], target[1])
        sent = pickle.loads(pickle.dumps(choice))  # as one process of torchrun sends it to another
        assert (sent, sent.scores) == (choice, choice.scores)


def test_a_batch_that_does_not_fit_is_scored_in_parts(
    model: PebenchHf, llava: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = scores(model)
    tight = PebenchHf(str(llava), batch_size=8, device="cpu")
    whole = tight._teacher_forced
    rows: list[int] = []

    def limited(batch: Any) -> list[TokenScores]:
        rows.append(len(batch.pairs))
        if rows[-1] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole(batch)

    monkeypatch.setattr(tight, "_teacher_forced", limited)
    for one, wanted in zip(scores(tight), expected, strict=True):
        assert one.logps == pytest.approx(wanted.logps, abs=1e-5)
    assert rows[:3] == [8, 4, 2]
    assert max(rows[2:]) <= 3
    assert "going on with 2" in capsys.readouterr().err


def test_an_image_is_encoded_once_for_all_answers_about_it(model: PebenchHf, monkeypatch: pytest.MonkeyPatch) -> None:
    model.features.clear()
    images: list[int] = []
    encode = model.features._encode
    assert encode is not None

    def counted(**inputs: Any) -> Any:
        images.append(len(inputs["pixel_values"]))
        return encode(**inputs)

    monkeypatch.setattr(model.features, "_encode", counted)
    scores(model)
    assert sum(images) == 2


def test_what_cannot_be_scored_says_why(model: PebenchHf) -> None:
    with pytest.raises(SystemExit, match="an answer to document 0 is empty"):
        model.loglikelihood(requests(model, [(QUESTIONS[0], None, " ")]))
    without = Instance("loglikelihood", ("", "yes"), 0, metadata={"task": "own", "doc_id": 0, "repeats": 1})
    with pytest.raises(SystemExit, match="acc_mutual_info"):
        model.loglikelihood([without])


TASK = """
task: own_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {rows}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_target: answer
doc_to_choice: choices
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
"""


def test_a_multiple_choice_task_of_the_harness_runs_and_the_likeliest_choice_is_its_answer(
    llava: Path, tmp_path: Path, model: PebenchHf
) -> None:
    """Marked by the harness itself, without images."""
    choices = ["Ada", "Alan Turing", "a sunny beach under a clear sky"]
    questions = ["Who invented it?", "Where is it?"]
    asked = [(question, None, choice) for question in questions for choice in choices]
    logps = [sum(found.logps) for found in scores(model, asked)]
    likeliest = [max(range(3), key=logps[start : start + 3].__getitem__) for start in (0, 3)]
    answers = [likeliest[0], (likeliest[1] + 1) % 3]  # the second one is wrong
    rows = tmp_path / "rows.json"
    documents = [
        {"question": question, "choices": choices, "answer": answer}
        for question, answer in zip(questions, answers, strict=True)
    ]
    rows.write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    (tmp_path / "own_choice.yaml").write_text(TASK.format(rows=rows), encoding="utf-8")
    results = simple_evaluate(
        model=EvaluatedHf(str(llava), batch_size=4, device="cpu"),
        tasks=["own_choice"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False, model_name="pebench_hf"),
        verbosity="ERROR",
    )
    assert results is not None
    assert results["results"]["own_choice"]["acc,none"] == 0.5
    values = [value for sample in results["samples"]["own_choice"] for ((value, _),) in sample["resps"]]
    assert values == pytest.approx([-logp for logp in logps], abs=1e-5)
