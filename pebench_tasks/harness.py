"""The functions that the task YAMLs name: lmms-eval calls them, they call the session and its run.

lmms-eval swallows every ``Exception`` and exits 0, so whatever is wrong leaves here as ``SystemExit``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import datasets
from PIL import Image

from pebench_tasks.attacks import QUESTION_ATTACKS, SIDES
from pebench_tasks.attacks.documents import RobustDocument
from pebench_tasks.attacks.likelihoods import LikelihoodDocument
from pebench_tasks.benchmark.documents import Document
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.harness_call import extend_evaluate
from pebench_tasks.evaluation.likelihood_calls import extend_likelihoods
from pebench_tasks.evaluation.robust_run import Messages, around
from pebench_tasks.evaluation.session import boundary, session
from pebench_tasks.marking.likelihood_record import FORGOTTEN, MATCHED, RETAINED
from pebench_tasks.marking.scoring import average
from pebench_tasks.results.distributions import auc
from pebench_tasks.versions import TASKS_FOLDER

PLACEHOLDER = str(TASKS_FOLDER / "placeholder.json")  # what lmms-eval loads before ``process_docs`` is called


def people(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_people``: the chosen benchmark's documents in place of the placeholder."""
    return _dataset("person")


def events(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_events``."""
    return _dataset("event")


def joint(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_joint``."""
    return _dataset("joint")


@boundary
def _dataset(target: str) -> datasets.Dataset:
    _extend_evaluate()
    return datasets.Dataset.from_list(session.begin(target))


def _extend_evaluate() -> None:
    from lmms_eval import evaluator  # has loaded this module; who only lists tasks need not load torch

    if not extend_evaluate(evaluator):
        say("lmms-eval's evaluate has changed: whether answers were cut is not known")


Settings = Mapping[str, Any] | None  # ``lmms_eval_specific_kwargs`` of the task


@boundary
def doc_to_text(doc: Document, lmms_eval_specific_kwargs: Settings = None) -> str:
    """The document's question between the task's ``pre_prompt`` and ``post_prompt``."""
    prompts = _prompts(lmms_eval_specific_kwargs)
    session.run.ask(doc, prompts, (lmms_eval_specific_kwargs or {}).get("generation"))
    return around(doc["question"], prompts)


def _prompts(settings: Settings) -> dict[str, str]:
    return {name: (settings or {}).get(name, "") for name in ("pre_prompt", "post_prompt")}


def people_image(doc: Document) -> list[Image.Image]:
    """``doc_to_visual`` of ``pebench_people``: the document's image; records that it was read."""
    return _image(doc, "person")


def events_image(doc: Document) -> list[Image.Image]:
    """``doc_to_visual`` of ``pebench_events``."""
    return _image(doc, "event")


def joint_image(doc: Document) -> list[Image.Image]:
    """``doc_to_visual`` of ``pebench_joint``."""
    return _image(doc, "joint")


@boundary
def _image(doc: Document, target: str) -> list[Image.Image]:
    return [session.run.image(doc, target)]


@boundary
def process_results(doc: Document, results: Sequence[str]) -> dict[str, Any]:
    """The metrics of one answered document and its provenance; the provenance alone where scores are withheld."""
    return session.run.mark(doc, results[0])


def provenance(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The aggregation of all documents' provenance: where the scores come from, counts, and intervals."""
    return Provenance(session.run.conclude(items))


class Provenance(dict[str, Any]):
    """A dict that the harness leaves out of its table on the terminal, as it does with every value of no length.

    Nobody could read that table otherwise: its cells are as wide as the longest value. The results file has it whole.
    """

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        return True


# The robust tasks


def people_robust(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_people_robust``."""
    return _robust_dataset("person")


def events_robust(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_events_robust``."""
    return _robust_dataset("event")


@boundary
def _robust_dataset(concept: str) -> datasets.Dataset:
    _extend_evaluate()
    return datasets.Dataset.from_list(session.begin_robust(concept))


@boundary
def robust_text(doc: RobustDocument, lmms_eval_specific_kwargs: Settings = None) -> str:
    """The last question of the document's conversation, for backends that take no messages."""
    prompts = _prompts(lmms_eval_specific_kwargs)
    session.robust.ask(doc, prompts, (lmms_eval_specific_kwargs or {}).get("generation"))
    return around(doc["question"], prompts)


@boundary
def people_messages(doc: RobustDocument, lmms_eval_specific_kwargs: Settings = None) -> Messages:
    """``doc_to_messages`` of ``pebench_people_robust``: the document's whole conversation."""
    return session.robust.messages(doc, "person", _prompts(lmms_eval_specific_kwargs))


@boundary
def events_messages(doc: RobustDocument, lmms_eval_specific_kwargs: Settings = None) -> Messages:
    """``doc_to_messages`` of ``pebench_events_robust``."""
    return session.robust.messages(doc, "event", _prompts(lmms_eval_specific_kwargs))


@boundary
def people_images(doc: RobustDocument) -> list[Image.Image]:
    """``doc_to_visual`` of ``pebench_people_robust``, for backends that take no messages: none where only text asks."""
    return session.robust.images(doc, "person")


@boundary
def events_images(doc: RobustDocument) -> list[Image.Image]:
    """``doc_to_visual`` of ``pebench_events_robust``."""
    return session.robust.images(doc, "event")


@boundary
def robust_results(doc: RobustDocument, results: Sequence[str]) -> dict[str, Any]:
    """``known`` of one answered document, and its provenance; the provenance alone where there is no score."""
    return session.robust.mark(doc, results[0])


def robust_provenance(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The aggregation of all documents' provenance."""
    return Provenance(session.robust.conclude(items))


ATTACK_METRICS = [  # ``metric_list`` of both: what every attack shows that the model knows, 0-1
    *(
        {"metric": f"{attack}_{side}", "aggregation": average, "higher_is_better": side == "retain"}
        for side in SIDES
        for attack in QUESTION_ATTACKS
    ),
    {"metric": "provenance", "aggregation": robust_provenance, "higher_is_better": None},
]


# The likelihood tasks


def people_likelihood(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_people_likelihood``."""
    return _likelihood_dataset("person")


def events_likelihood(placeholder: datasets.Dataset) -> datasets.Dataset:
    """``process_docs`` of ``pebench_events_likelihood``."""
    return _likelihood_dataset("event")


@boundary
def _likelihood_dataset(concept: str) -> datasets.Dataset:
    from lmms_eval import evaluator

    _extend_evaluate()
    if not extend_likelihoods(evaluator):
        say("lmms-eval has changed: whether a model can be asked for likelihoods is not known")
    return datasets.Dataset.from_list(session.begin_likelihoods(concept))


@boundary
def likelihood_text(doc: LikelihoodDocument, lmms_eval_specific_kwargs: Settings = None) -> str:
    """The document's question between the task's ``pre_prompt`` and ``post_prompt``."""
    prompts = session.likelihoods.prompts[doc["concept"]] = _prompts(lmms_eval_specific_kwargs)
    return around(doc["question"], prompts)


@boundary
def likelihood_image(doc: LikelihoodDocument) -> list[Image.Image]:
    """``doc_to_visual``: the document's image."""
    return [session.likelihoods.image(doc)]


@boundary
def likelihood_results(doc: LikelihoodDocument, results: Sequence[Any]) -> dict[str, Any]:
    """The figures of one document, and its provenance; the provenance alone where the backend tells none."""
    return session.likelihoods.mark(doc, results)


def likelihood_provenance(items: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The aggregation of all documents' provenance."""
    return Provenance(session.likelihoods.conclude(items))


def membership_auc(items: Sequence[tuple[float, bool]]) -> float | None:
    """How well a score tells what was trained on from what nobody saw; None where one of them is missing."""
    members, others = ([score for score, member in items if member is wanted] for wanted in (True, False))
    return auc(members, others) if members and others else None


COMPARED = ("first_rank", "truth_ratio", "choice")  # with false answers, of which matched people have none
LIKELIHOOD_METRICS = [  # ``metric_list`` of both
    *(
        {"metric": f"{name}_{one}", "aggregation": average, "higher_is_better": higher if one == RETAINED else other}
        for name, higher, other in (
            ("probability", True, False), ("truth_ratio", True, True), ("choice", True, False), ("loss", False, True),
            ("min_k", True, False), ("rank", False, True), ("first_rank", False, True),
        )
        for one in (*FORGOTTEN, RETAINED, MATCHED)
        if one != MATCHED or name not in COMPARED
    ),
    *(
        {"metric": f"membership_{name}", "aggregation": membership_auc, "higher_is_better": None}
        for name in ("loss", "min_k")
    ),
    {"metric": "provenance", "aggregation": likelihood_provenance, "higher_is_better": None},
]  # fmt: skip
