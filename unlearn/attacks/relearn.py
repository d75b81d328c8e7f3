"""Relearn: a little training on other items, after which what was forgotten may be back.

    loss = NLL(trained), the loss of ``finetune``

Recipe: LoRA (rank 16, alpha 32) in language model and projector, AdamW at a constant 2e-4, batch 8, asked after 0, 5,
15, 30 and 60 steps. What is asked is never trained on. The arms differ in what is:

- ``half``: all images of half of the forgotten people (or events), the others are asked. It leads, since nothing that
  is asked could be learned anew: what comes back was there.
- ``same``: the D^f_train images of all that are forgotten, asked on D^f_test. Any model learns some of it, so Goal's
  curve comes first.
- ``others``: retained people (events), on images that are not asked.
- ``unrelated``: public figures, those of the pre-training part where there is one.

Budget: 480 samples, the target's question alone, in its trained phrasings. Sources: Hu et al., arXiv 2406.13356 (steps,
rate, batch, LoRA; what is asked is not in the training data); Deeb and Roger, arXiv 2410.08827 (train on one half, test
on the other).
"""

import tempfile
from collections.abc import Callable, Collection, Iterable
from random import Random
from typing import TYPE_CHECKING, Any

from pebench_tasks.benchmark.reading import Benchmark
from pebench_tasks.benchmark.splits import Split
from pebench_tasks.errors import BenchmarkError
from unlearn.attacks.plan import Asked, Plan, Score, ask, concept_of, refuse_overlap
from unlearn.data import sets
from unlearn.data.samples import Sample, SampleSet, name_sample, scene_sample, singles
from unlearn.methods.finetune import finetune
from unlearn.tensors.parts import Lora

if TYPE_CHECKING:
    from transformers import TrainerCallback

    from unlearn.attacks.case import Case

STEPS = (0, 5, 15, 30, 60)  # after which it is asked
LORA = Lora(r=16, alpha=32, dropout=0.0)
TUNE = ("lm", "projector")
BATCH, RATE, SEED = 8, 2e-4, 0
TOLD_APART = {"person": "people", "event": "events"}
Arm = Callable[[Benchmark, Split], tuple[list[Sample], Asked]]  # what is trained on, what is asked


def half(benchmark: Benchmark, split: Split) -> tuple[list[Sample], Asked]:
    """Trained on half of the forgotten concepts (the smaller half), asked about the others."""
    if len(split.forget_ids) < 2:
        raise BenchmarkError(
            f"relearn_half needs two forgotten {TOLD_APART[split.target]} at least, and {split.forget} has "
            f"{len(split.forget_ids)}. Leave it out, or choose a larger --forget."
        )
    shuffled = Random("pebench/relearn/half").sample(sorted(split.forget_ids), len(split.forget_ids))
    trained, tested = shuffled[: len(shuffled) // 2], shuffled[len(shuffled) // 2 :]
    return _about(benchmark, split, trained, split.train + split.test), ask(benchmark, split, tested)


def same(benchmark: Benchmark, split: Split) -> tuple[list[Sample], Asked]:
    """Trained on D^f_train, asked on D^f_test."""
    return _about(benchmark, split, split.forget_ids, split.train), ask(benchmark, split)


def others(benchmark: Benchmark, split: Split) -> tuple[list[Sample], Asked]:
    """Trained on what the retain set of unlearning holds."""
    return _of_target(split, sets.retain(benchmark, split)), ask(benchmark, split)


def unrelated(benchmark: Benchmark, split: Split) -> tuple[list[Sample], Asked]:
    """Trained on public figures, the target's question about them."""
    rows = [row for row in benchmark.real if row["part"] == "pretrain"] or benchmark.real
    if split.target == "person":
        trained = [name_sample(row["key"], row["name"]) for row in rows]
    else:
        trained = [scene_sample(row["key"], row["description"]) for row in rows if row["description"]]
    return trained, ask(benchmark, split)


ARMS: dict[str, Arm] = {arm.__name__: arm for arm in (half, same, others, unrelated)}


def _about(benchmark: Benchmark, split: Split, concepts: Collection[str], keys: Iterable[str]) -> list[Sample]:
    """The target's question about some concepts, on those of the images that show them."""
    shown = {key for key in keys if concept_of(split.target, key) in concepts}
    return _of_target(split, (sample for sample in sets.everything(benchmark) if sample.image in shown))


def _of_target(split: Split, samples: Iterable[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.question == sets.QUESTIONS[split.target]]


def recipe(arm: str) -> dict[str, Any]:
    """What is recorded of an arm."""
    said = {"arm": arm, "levels": STEPS, "method": "finetune", "tune": TUNE, **LORA._asdict()}
    return said | {"batch": BATCH, "learning_rate": RATE, "schedule": "constant", "seed": SEED}


def plan(arm: str, benchmark: Benchmark, split: Split) -> Plan:
    """An arm's samples and documents; ``BenchmarkError`` where the benchmark has none for it."""
    trained, asked = ARMS[arm](benchmark, split)
    if not trained:
        raise BenchmarkError(
            f"relearn_{arm} has nothing to train on in {benchmark.directory} ({split.target}, {split.forget}). Leave "
            "it out of --attacks."
        )
    return refuse_overlap(Plan(asked, STEPS, trained, STEPS[-1], BATCH))


def run(case: "Case", plan: Plan, score: Score) -> None:
    """Train new adapters beside whatever the checkpoint is, and score on the way."""
    from transformers import set_seed
    from transformers.trainer_callback import PrinterCallback

    from unlearn.tensors import parts
    from unlearn.training.method_trainer import MethodTrainer
    from unlearn.training.plan import make_plan

    model = case.load(dtype=case.dtype, beside=True)
    set_seed(SEED)  # adapters begin at random
    tuned = parts.tune(model, TUNE, LORA)
    with tempfile.TemporaryDirectory() as folder:
        planned = make_plan(
            tuned,
            case.processor,
            {"everything": SampleSet(singles(plan.trained))},
            finetune,
            _options(folder, plan, case.device.type),
            load_image=case.benchmark.image,
            hyperparameters={},
        )
        trainer = MethodTrainer(tuned, planned)
        trainer.remove_callback(PrinterCallback)  # of a summary in the Trainer's words
        trainer.add_callback(_scoring(plan, lambda step: score(step, tuned)))
        trainer.train()


def _options(folder: str, plan: Plan, device: str) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=folder,
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        seed=SEED,
        use_cpu=device == "cpu",
        dataloader_pin_memory=device != "cpu",
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _scoring(plan: Plan, score: Callable[[int], None]) -> "TrainerCallback":
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

    class Scoring(TrainerCallback):
        """Scores before the first step and after those that the plan names."""

        def on_train_begin(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
        ) -> None:
            if 0 in plan.levels:
                score(0)

        def on_step_end(
            self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
        ) -> None:
            if state.global_step in plan.levels:
                score(state.global_step)

    return Scoring()
