"""What a checkpoint under attack is, checked before anything starts."""

from pathlib import Path
from typing import Any

import pebench_templates
from huggingface_hub import snapshot_download

from pebench_tasks.benchmark.splits import is_forgotten
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.announce import say, wrong_questions_line
from pebench_tasks.run_record import made_for, recorded_of
from unlearn.attacks.case import Case
from unlearn.attacks.plan import Attack
from unlearn.training.loading import model_folder, read_config, without_weights
from unlearn.training.record import versions, weights_fingerprint


def describe(case: Case) -> dict[str, Any]:
    """What the record says of a case beside its attacks.

    Raises ``BenchmarkError`` for a checkpoint of another benchmark; one made for other questions is only said.
    """
    split, data = case.split, case.benchmark
    weights, made = fingerprint_of(case.checkpoint), recorded_of(case.checkpoint)
    lineage = made.pop("record", None) or {}
    if made and made["data"] != data.fingerprint:
        raise BenchmarkError(
            f"{case.checkpoint} was trained on the benchmark {made['data']}, but {data.directory} is "
            f"{data.fingerprint}. Give the --data it was trained on."
        )
    if made.get("target") and not is_forgotten(split.forget, made_for(lineage, split.target)):
        other = "" if made["target"] == split.target else made["target"]
        say(wrong_questions_line(case.checkpoint, split.target, split.forget, other, made["forget"]))
    return {
        "checkpoint": case.checkpoint,
        "weights": weights,
        "model": made,
        "data": data.fingerprint,
        "split": split.split_id,
        "target": split.target,
        "forget": split.forget,
        "template": pebench_templates.fingerprint(),
        "device": case.device.type,
        "dtype": str(case.dtype).removeprefix("torch."),
        "max_new_tokens": case.max_new_tokens,
        "versions": versions(),
    }


def fingerprint_of(checkpoint: str) -> str:
    """The fingerprint of the weights in a folder, or of a hub id; of an adapter that of the adapter."""
    return weights_fingerprint(model_folder(checkpoint) or Path(snapshot_download(checkpoint)))


def recipe_of(attack: Attack, case: Case) -> dict[str, Any]:
    """An attack's recipe as it is recorded, with the weights of the Finetuned model and of Goal where it needs them.

    Raises ``BenchmarkError`` where one is a model of another form than the checkpoint.
    """
    recipe = dict(attack.recipe)
    for option in attack.needs:
        other = getattr(case, option)
        _refuse_other_form(case, option, other)
        recipe[option] = fingerprint_of(other)
    return recipe


def _refuse_other_form(case: Case, option: str, other: str) -> None:
    ours, theirs = (_form(name, case.trust_remote_code) for name in (case.checkpoint, other))
    if ours != theirs:
        differing = sorted({*ours.items()} ^ {*theirs.items()})
        raise BenchmarkError(
            f"{case.checkpoint} and --{option} {other} are models of different form ({differing[0][0]}): they do not "
            "come from one base."
        )


def _form(name: str, trust_remote_code: bool) -> dict[str, tuple[int, ...]]:
    """The shape of every weight, by its name."""
    model = without_weights(read_config(name, trust_remote_code=trust_remote_code), trust_remote_code)
    return {name: tuple(weight.shape) for name, weight in model.named_parameters()}
