"""One checkpoint through the harness, in process: answers, results file, samples. Importing this takes seconds."""

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from lmms_eval.evaluator import simple_evaluate
from lmms_eval.loggers import EvaluationTracker
from lmms_eval.tasks import TaskManager
from torch import distributed

from pebench_tasks.errors import BenchmarkError
from pebench_tasks.evaluation.model import EvaluatedHf
from pebench_tasks.evaluation.session import OWN_BACKEND
from pebench_tasks.judge.judge import CONCURRENCY, Judge
from pebench_tasks.results.files import named_model, our_results, samples_file
from pebench_tasks.results.likelihoods import likelihood_results
from pebench_tasks.results.robust import robust_results
from pebench_tasks.versions import TASKS_FOLDER, known_arguments

UNFINISHED = "unfinished"  # beside the results: the answers of a scoring that is under way, or was interrupted


def own_tasks() -> TaskManager:
    """The harness's index of tasks with ours alone; indexing its own takes it 6 seconds."""
    return TaskManager("WARNING", include_path=str(TASKS_FOLDER), include_defaults=False, model_name=OWN_BACKEND)


def score_checkpoint(
    checkpoint: str,
    tasks: Sequence[str],
    manager: TaskManager,
    output_path: Path,
    *,
    judge: Judge | None,
    dtype: str,
    batch_size: int | str,
    device: str | None,
    limit: int | None,
    max_new_tokens: int | None,
    trust_remote_code: bool,
    load_in: str | None,
) -> Path | None:
    """Answer, mark and write; the results file, None in a process of torchrun that is not the first.

    The answers are kept in ``unfinished`` beside the results until these are written, so that the same call goes on
    where an interrupted one stopped. Results of rounded weights (``load_in``) lie in a folder of their own, as another
    model's.
    """
    folder = output_path / named_model(Path(checkpoint).name, load_in)
    tracker = EvaluationTracker(output_path=str(output_path))
    model = EvaluatedHf(
        checkpoint,
        batch_size=batch_size,
        device=device,
        dtype=dtype,
        trust_remote_code=trust_remote_code,
        journal=str(folder / UNFINISHED),
        load_in=load_in,
    )
    together = distributed.is_initialized()  # under torchrun; accelerate knows only of processes with a GPU each
    results = simple_evaluate(
        model=model,
        model_args=f"pretrained={checkpoint},dtype={dtype}"
        + (",trust_remote_code=True" * trust_remote_code)
        + (f",load_in={load_in}" if load_in else ""),
        tasks=list(tasks),
        batch_size=batch_size,
        device=device,
        limit=limit,
        gen_kwargs=None if max_new_tokens is None else f"max_new_tokens={max_new_tokens}",
        log_samples=True,
        evaluation_tracker=tracker,
        task_manager=manager,
        verbosity="WARNING",
        distributed_executor_backend="torchrun" if together else "accelerate",
        **known_arguments(simple_evaluate, process_docs_parallel=judge.concurrency if judge else CONCURRENCY),
    )
    if together:
        distributed.barrier()  # every process has closed its journal
    if results is None:
        return None
    results["config"]["model"] = tracker.general_config_tracker.model_source = OWN_BACKEND  # as the command writes it
    tracker.general_config_tracker.model_name_sanitized = folder.name
    samples = results.pop("samples")
    for task in tasks:
        samples[task].sort(key=lambda sample: sample["doc_id"])  # several processes deliver in turn
    date = results["date"] = reserve_date(folder)
    tracker.save_results_aggregated(results=results, samples=samples, datetime_str=date)
    for task in tasks:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    results_file = folder / f"{date}_results.json"
    expected = [results_file, *(samples_file(results_file, task) for task in tasks)]
    if lost := [path for path in expected if not path.is_file()]:
        raise BenchmarkError(f"lmms-eval did not write {lost[0]}. Is the folder writable, the disk full?")
    found = {result.task for result in our_results(results_file)}  # read back
    found |= {result.task for result in robust_results(results_file)}
    found |= {result.task for result in likelihood_results(results_file)}
    if unread := [task for task in tasks if task not in found]:
        raise BenchmarkError(f"{results_file} holds no result of {unread[0]}, which was scored.")
    model.journal.discard()
    return results_file


def reserve_date(folder: Path) -> str:
    """A date for the names of the files in ``folder``, in the harness's form, and an empty results file of that name.

    The harness overwrites and appends to files of the same second, so no two runs get the same one. A process that is
    killed right then leaves the empty file: who looks for results passes over it, or says that it must be removed.
    Raises ``BenchmarkError`` where the folder cannot be written.
    """
    while True:
        date = datetime.now().strftime("%Y%m%d_%H%M%S")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not any(folder.glob(f"{date}_*")):
                (folder / f"{date}_results.json").open("x").close()
                return date
        except FileExistsError:
            if not folder.is_dir():
                raise BenchmarkError(
                    f"Results cannot be written: {folder} is a file. Choose another --output_path."
                ) from None
        time.sleep(0.1)
