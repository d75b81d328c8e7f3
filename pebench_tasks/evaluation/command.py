"""What happens when lmms-eval's command selects tasks of ours, before any model is loaded."""

import sys
from collections.abc import Collection, Sequence

import lmms_eval.utils
from lmms_eval.loggers import WandbLogger

from pebench_tasks.evaluation.flags import NO_SAMPLES, keeps_no_samples, refuse_without_effect
from pebench_tasks.evaluation.printed_table import extend_table
from pebench_tasks.evaluation.session import boundary, session
from pebench_tasks.evaluation.wandb_samples import extend_wandb_logger


@boundary
def begin(tasks: Sequence[str], asked: Collection[str]) -> None:
    """Check the command line and the chosen data, and let the harness show figures and samples as they are meant.

    ``tasks`` are those of ours that are to be run, ``asked`` the names by which a command line may ask for them.
    """
    refuse_without_effect(sys.argv, asked)
    session.select(tasks)
    if keeps_no_samples(sys.argv, asked):
        session.announce(NO_SAMPLES)
    if not extend_wandb_logger(WandbLogger):
        session.announce("lmms-eval's logger for Weights & Biases has changed; --wandb_log_samples may fail")
    # The command has its own name for what it prints with, where it is the program.
    for module in (lmms_eval.utils, sys.modules.get("lmms_eval.__main__")):
        if module is not None and not extend_table(module):
            session.announce("lmms-eval's table has changed; the order of its rows, and what is left out, are its own")
