"""Methods against their formulas, on answers whose losses are fixed numbers."""

import subprocess
import sys
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from pebench_tasks.errors import BenchmarkError
from unlearn import losses, methods
from unlearn.answers import Answers, Terms, trace
from unlearn.methods.dpo import dpo
from unlearn.methods.ga import ga
from unlearn.methods.gd import gd
from unlearn.methods.kl import kl
from unlearn.methods.npo import npo
from unlearn.methods.po import po
from unlearn.methods.rmu import rmu
from unlearn.methods.simnpo import simnpo
from unlearn.methods.siu import siu

KNOWN_SETS = {
    "everything",
    "remaining",
    "forget",
    "retain",
    "refusal",
    "choices",
    "swapped",
    "facts",
    "invented",
}
QUESTIONS: dict[str, Any] = {
    "nll": 1.0,
    "nll_each": [1.0, 2.0],
    "logp": [-1.0, -2.0],
    "reference_logp": [-1.0, -2.0],
    "kl": 0.5,
    "dual_masked_kl": -0.5,
    "activations": [[1.0, 2.0]],
    "reference_activations": [[1.0, 0.0]],
}


class FixedAnswers:
    """Answers whose losses are the given numbers; keeps the questions asked, and fails at one that has no number."""

    def __init__(self, **values: Any) -> None:
        self.values = {question: torch.tensor(value, requires_grad=True) for question, value in values.items()}
        self.asked: list[str] = []

    def _ask(self, question: str) -> Tensor:
        self.asked.append(question)
        return self.values[question] * 1

    def nll(self) -> Tensor:
        return self._ask("nll")

    def nll_each(self) -> Tensor:
        return self._ask("nll_each")

    def logp(self) -> Tensor:
        return self._ask("logp")

    def reference_logp(self) -> Tensor:
        return self._ask("reference_logp").detach()

    def kl(self) -> Tensor:
        return self._ask("kl")

    def dual_masked_kl(self) -> Tensor:
        return self._ask("dual_masked_kl")

    def activations(self, layer: int) -> Tensor:
        return self._ask("activations")

    def reference_activations(self, layer: int) -> Tensor:
        return self._ask("reference_activations").detach()

    def token_mean(self, values: Tensor) -> Tensor:
        return values.mean()

    def gradient(self, question: str) -> list[float]:
        gradient = self.values[question].grad
        assert gradient is not None
        return gradient.tolist()


def any_answers(method: Any) -> dict[str, FixedAnswers]:
    return {name: FixedAnswers(**QUESTIONS) for name in methods.needed_sets(method)}


def values(terms: Terms) -> dict[str, float]:
    return {name: term.item() for name, term in terms}


def test_ga_is_the_negative_nll_of_the_forget_set() -> None:
    assert values(ga(FixedAnswers(nll=0.7))) == pytest.approx({"forget": -0.7})


def test_gd_adds_the_weighted_nll_of_the_retain_set() -> None:
    """-0.7 and 2 * 0.3."""
    terms = gd(FixedAnswers(nll=0.7), FixedAnswers(nll=0.3), retain_weight=2.0)
    assert values(terms) == pytest.approx({"forget": -0.7, "retain": 0.6})


def test_gd_without_retain_is_ga() -> None:
    forget = FixedAnswers(nll=0.7)
    assert values(gd(forget, FixedAnswers(), retain_weight=0.0)) == values(ga(forget))


def test_po_learns_the_refusal_and_the_retain_set() -> None:
    terms = po(FixedAnswers(nll=0.7), FixedAnswers(nll=0.3), retain_weight=2.0)
    assert values(terms) == pytest.approx({"refusal": 0.7, "retain": 0.6})


def test_kl_ascends_on_the_forget_set_and_keeps_the_reference_on_the_retain_set() -> None:
    terms = kl(FixedAnswers(nll=0.7), FixedAnswers(kl=0.2), retain_weight=2.0)
    assert values(terms) == pytest.approx({"forget": -0.7, "retain": 0.4})


def test_npo_by_hand_is_the_mean_over_samples() -> None:
    """b = 2. The gains log p - log p_ref are -log 3 / 2 and 0: sigmoid(log 3) = 3/4 and sigmoid(0) = 1/2.

    (2/2) * (log(4/3) + log 2) / 2 = log(8/3) / 2.
    """
    forget = FixedAnswers(logp=[-5 - log(3) / 2, -7.0], reference_logp=[-5.0, -7.0])
    assert values(npo(forget, FixedAnswers(), beta=2.0, retain_weight=0.0)) == pytest.approx({"forget": log(8 / 3) / 2})


def test_npo_at_the_reference_is_two_over_beta_log_two_and_descends_as_ascent_does() -> None:
    """The derivative by log p is 2 sigmoid(0) = 1 per sample: that of the mean of log p."""
    forget = FixedAnswers(logp=[-5.0, -7.0], reference_logp=[-5.0, -7.0])
    [(_, term)] = npo(forget, FixedAnswers(), beta=0.1, retain_weight=0.0)
    term.backward()
    assert term.item() == pytest.approx(2 / 0.1 * log(2))
    assert forget.gradient("logp") == pytest.approx([0.5, 0.5])


def test_simnpo_by_hand_needs_no_reference() -> None:
    """b = 2, gamma = 0. NLLs log 3 / 2 and 0: sigmoid(log 3) = 3/4, sigmoid(0) = 1/2; log(8/3) / 2 as for NPO.

    With gamma = log 3 the first is at sigmoid(0) = 1/2, the second at sigmoid(-log 3) = 1/4: (log 2 + log 4) / 2.
    """
    forget = FixedAnswers(nll_each=[log(3) / 2, 0.0])
    terms = simnpo(forget, FixedAnswers(), beta=2.0, retain_weight=0.0)
    assert values(terms) == pytest.approx({"forget": log(8 / 3) / 2})
    terms = simnpo(forget, FixedAnswers(nll=0.3), beta=2.0, gamma=log(3), retain_weight=2.0)
    assert values(terms) == pytest.approx({"forget": log(8) / 2, "retain": 0.6})


def test_dpo_by_hand_compares_the_refusal_with_the_true_answer_of_each_prompt() -> None:
    """b = 2. Prompt 1: the refusal gains log 3 / 2, the truth 0. Prompt 2: the refusal gains 1, so does the truth.

    (2/2) * (log(4/3) + log 2) / 2 = log(8/3) / 2.
    """
    choices = FixedAnswers(logp=[-4 + log(3) / 2, -6.0, -4.0, -6.0], reference_logp=[-4.0, -6.0, -5.0, -7.0])
    terms = dpo(choices, FixedAnswers(), beta=2.0)
    assert values(terms) == pytest.approx({"choices": log(8 / 3) / 2})


def test_dpo_at_the_reference_is_two_over_beta_log_two_and_prefers_the_refusal() -> None:
    """The derivative is -2 sigmoid(0) = -1 by the refusal and 1 by the truth, over two prompts."""
    choices = FixedAnswers(logp=[-4.0, -6.0, -5.0, -7.0], reference_logp=[-4.0, -6.0, -5.0, -7.0])
    [(_, term)] = dpo(choices, FixedAnswers(), beta=0.1)
    term.backward()
    assert term.item() == pytest.approx(2 / 0.1 * log(2))
    assert choices.gradient("logp") == pytest.approx([-0.5, 0.5, -0.5, 0.5])


def test_dpo_whose_refusal_stays_at_the_reference_is_npo_on_the_true_answers() -> None:
    choices = FixedAnswers(logp=[-4.0, -6.5, -5.0, -9.0], reference_logp=[-4.0, -6.0, -5.0, -7.0])
    truth = FixedAnswers(logp=[-6.5, -9.0], reference_logp=[-6.0, -7.0])
    found = values(dpo(choices, FixedAnswers()))["choices"]
    assert found == pytest.approx(values(npo(truth, FixedAnswers(), retain_weight=0.0))["forget"])


def test_rmu_by_hand() -> None:
    """Activations 0 of hidden size 4 where the reference's are 2 and 4 long: |0 - 3 * 2 u|^2 / 4 = 9 and 144 / 4 = 36.

    Retained ones are off by 2 in one of 4: 4 / 4, of weight 3.
    """
    forget = FixedAnswers(
        activations=[[0.0] * 4, [0.0] * 4], reference_activations=[[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 4.0]]
    )
    retain = FixedAnswers(activations=[[1.0, 2.0, 3.0, 4.0]], reference_activations=[[1.0, 2.0, 3.0, 2.0]])
    found = values(rmu(forget, retain, steering=3.0, retain_weight=3.0))
    assert found == pytest.approx({"forget": (9 + 36) / 2, "retain": 3.0})


def test_rmu_is_zero_where_the_activations_are_the_steered_direction_of_its_seed() -> None:
    """The reference's activation is 5 long, the target 2 * 5 = 10."""
    forget = FixedAnswers(
        activations=[(10.0 * losses.random_direction(4, 5)).tolist()], reference_activations=[[3.0, 0.0, 4.0, 0.0]]
    )
    found = values(rmu(forget, FixedAnswers(), steering=2.0, retain_weight=0.0, direction_seed=5))
    assert found == pytest.approx({"forget": 0.0}, abs=1e-9)
    assert values(rmu(forget, FixedAnswers(), steering=2.0, retain_weight=0.0, direction_seed=6))["forget"] > 0.01


def test_rmu_on_a_model_of_larger_activations_is_the_same_loss_in_its_square() -> None:
    """Everything 7 times as large: 49 times the loss, so no setting has to fit the size of a model's activations."""
    small = [[1.0, 2.0, 3.0, 4.0], [4.0, 0.0, 1.0, -1.0]]
    large = [[7.0 * value for value in row] for row in small]
    found = [
        values(rmu(FixedAnswers(activations=rows, reference_activations=rows[::-1]), FixedAnswers(), retain_weight=0.0))
        for rows in (small, large)
    ]
    assert found[1]["forget"] == pytest.approx(49 * found[0]["forget"])


def test_siu_is_the_mean_over_its_kinds_of_both_losses() -> None:
    """Each kind: 0.9 * 1 + 0.75 * (-0.4) = 0.6; over four kinds 0.15 each, over three 0.2."""
    kinds = {name: FixedAnswers(nll=1.0, dual_masked_kl=-0.4) for name in ("swapped", "facts", "retain", "invented")}
    assert values(siu(**kinds)) == pytest.approx(dict.fromkeys(kinds, 0.15))
    invented = kinds.pop("invented")
    assert values(siu(**kinds, invented=None)) == pytest.approx(dict.fromkeys(kinds, 0.2))
    assert invented.asked == ["nll", "dual_masked_kl"]


@pytest.mark.parametrize(("weight", "asked"), [("nll_weight", "dual_masked_kl"), ("kl_weight", "nll")])
def test_siu_does_not_ask_for_a_loss_of_weight_zero(weight: str, asked: str) -> None:
    answers = any_answers(siu)
    list(siu(**answers, **{weight: 0.0}))
    assert [answer.asked for answer in answers.values()] == [[asked]] * 4


@pytest.mark.parametrize("key", methods.all_hyperparameters()["retain_weight"])
def test_a_term_of_weight_zero_is_never_computed(key: str) -> None:
    method = methods.METHODS[key]
    answers = any_answers(method)
    names = [name for name, _ in method(**answers, retain_weight=0.0)]
    assert "retain" not in names
    assert answers["retain"].asked == []
    assert "retain" not in trace(method, {"retain_weight": 0.0}).sets


def all_weights_on(method: Any) -> dict[str, float]:
    return {name: 1.0 for name in methods.default_hyperparameters(method) if name.endswith("_weight")}


@pytest.mark.parametrize("key", methods.METHODS)
def test_every_method_names_known_sets_and_yields_a_term_for_each(key: str) -> None:
    method = methods.METHODS[key]
    needed = methods.needed_sets(method)
    assert set(needed) <= KNOWN_SETS
    terms = dict(method(**any_answers(method), **all_weights_on(method)))
    assert list(terms) == needed
    assert all(term.shape == () and term.requires_grad for term in terms.values())


@pytest.mark.parametrize("key", methods.METHODS)
def test_every_method_asks_nothing_before_its_term_is_wanted(key: str) -> None:
    method = methods.METHODS[key]
    answers = any_answers(method)
    terms = method(**answers, **all_weights_on(method))
    for done in range(len(answers)):
        assert [bool(answer.asked) for answer in answers.values()] == [at < done for at in range(len(answers))]
        next(terms)


@pytest.mark.parametrize("key", methods.METHODS)
def test_a_trace_says_what_a_method_asks_and_yields(key: str) -> None:
    method = methods.METHODS[key]
    answers = any_answers(method)
    names = [name for name, _ in method(**answers, **all_weights_on(method))]
    asked = trace(method, all_weights_on(method))
    assert asked.terms == names
    without_layers = {name: {question.split("/")[0] for question in found} for name, found in asked.sets.items()}
    assert without_layers == {name: set(answer.asked) for name, answer in answers.items()}


def test_a_trace_names_the_layers_asked_for() -> None:
    asked = trace(rmu, {"layer": 3})
    assert asked.sets == {
        "forget": {"activations/3", "reference_activations/3"},
        "retain": {"activations/3", "reference_activations/3"},
    }


def test_a_trace_without_an_optional_set_has_no_term_for_it() -> None:
    assert trace(siu, {}, absent=["invented"]).terms == ["swapped", "retain", "facts"]


def test_a_method_without_any_term_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="no loss term left: every weight is 0"):
        trace(siu, {"nll_weight": 0.0, "kl_weight": 0.0})


def test_only_facts_and_the_invented_look_are_optional() -> None:
    assert {key: methods.optional_sets(method) for key, method in methods.METHODS.items()} == {
        **{key: [] for key in methods.METHODS},
        "siu": ["facts", "invented"],
    }


@pytest.mark.parametrize("key", methods.METHODS)
def test_every_method_says_its_formula(key: str) -> None:
    method = methods.METHODS[key]
    module = __import__(method.__module__, fromlist=["x"])
    assert "loss = " in module.__doc__
    assert "arXiv" in module.__doc__
    assert method.__doc__


def test_the_registry_does_not_load_torch() -> None:
    code = "import sys, unlearn.methods; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_method_lists_the_known_ones() -> None:
    known = ", ".join(methods.METHODS)
    with pytest.raises(BenchmarkError, match=rf"'gdd'. Known: {known}. Did you mean 'gd'"):
        methods.find("gdd")


def test_an_option_of_another_method_is_refused() -> None:
    with pytest.raises(BenchmarkError, match=r"'ga' has no option retain_weight. Its own options: none"):
        methods.resolve_hyperparameters(ga, {"retain_weight": 1.0})


def test_hyperparameters_are_the_defaults_overlaid_with_the_given_ones() -> None:
    assert methods.resolve_hyperparameters(gd, {}) == {"retain_weight": 1.0}
    assert methods.resolve_hyperparameters(gd, {"retain_weight": 0.5}) == {"retain_weight": 0.5}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"retain_weight": -1.0}, "retain_weight must be 0 or more, not -1.0"),
        ({"retain_weight": float("nan")}, "retain_weight must be 0 or more, not nan"),
        ({"beta": float("inf")}, "beta must be above 0, not inf"),
        ({"beta": 0.0}, "beta must be above 0, not 0.0"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        methods.resolve_hyperparameters(npo, given)


def test_hyperparameters_are_int_or_float_the_same_in_every_method() -> None:
    types = methods.hyperparameter_types()
    assert list(types) == list(methods.all_hyperparameters())
    assert types["layer"] is int
    assert types["retain_weight"] is float
    for method in methods.METHODS.values():
        assert all(type(value) is types[name] for name, value in methods.default_hyperparameters(method).items())


def test_hyperparameters_of_one_name_and_two_types_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(forget: Answers, *, beta: int = 1) -> Terms:
        yield "forget", forget.nll()

    monkeypatch.setitem(methods.METHODS, "other", other)
    with pytest.raises(TypeError, match="beta is int in other and float elsewhere"):
        methods.hyperparameter_types()


def test_a_hyperparameter_of_another_type_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(forget: Answers, *, mode: str = "a") -> Terms:
        yield "forget", forget.nll()

    monkeypatch.setitem(methods.METHODS, "other", other)
    with pytest.raises(TypeError, match="mode of other must be annotated int or float"):
        methods.hyperparameter_types()


WORDS = ["<pad>", "</s>", "who", "is", "it", "Ada", "Bo", "sorry", "unknown"]


def llama(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    size = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), **size))


def answer_logp(model: LlamaForCausalLM, batch: dict[str, Tensor]) -> Tensor:
    """Our log-probability of each answer in TRL's batch: its refusals, then its true answers."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    answers = batch["completion_mask"][:, 1:].bool()  # (samples, positions)
    return losses.logp(logits[answers], batch["input_ids"][:, 1:][answers], answers.nonzero()[:, 0], len(answers))


def test_dpo_is_two_over_beta_times_the_sigmoid_loss_of_trl_with_its_gradient(tmp_path: Path) -> None:
    """TRL's DPOTrainer on a random Llama away from its reference; our log-probabilities of the same batch."""
    from trl import DPOConfig, DPOTrainer  # here, because importing it takes seconds

    words = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    rows = [
        {"prompt": "who is it", "chosen": " sorry unknown", "rejected": " Ada"},
        {"prompt": "is it", "chosen": " sorry", "rejected": " Bo Ada"},
    ]
    beta = 0.3
    model, reference = llama(0), llama(1)
    trainer = DPOTrainer(
        model,
        reference,
        DPOConfig(str(tmp_path), beta=beta, loss_type="sigmoid", use_cpu=True, bf16=False, report_to="none"),
        train_dataset=Dataset.from_list(rows),
        processing_class=PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", pad_token="<pad>"),
    )
    batch = trainer.data_collator(list(trainer.train_dataset))
    theirs = trainer.compute_loss(model, batch)
    theirs.backward()
    gradients = [parameter.grad.clone() for parameter in model.parameters()]

    model.zero_grad()
    in_turn = torch.tensor([0, 2, 1, 3])  # of each prompt the refusal, then the true answer
    choices = FixedAnswers()
    choices.values = {"logp": answer_logp(model, batch)[in_turn]}
    with torch.no_grad():
        choices.values["reference_logp"] = answer_logp(reference, batch)[in_turn]
    [(_, ours)] = dpo(choices, FixedAnswers(), beta=beta)
    ours.backward()

    assert abs(theirs.item() - log(2)) > 1e-3  # not at the reference
    assert ours.item() == pytest.approx(2 / beta * theirs.item())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, 2 / beta * gradient, atol=1e-6)
    assert max(gradient.abs().max() for gradient in gradients) > 1e-3
