"""Between which bounds a submission is measured: which its Finetuned and Goal models are, and what they answered."""

import hashlib
import json
from typing import TYPE_CHECKING

from pebench_tasks.leaderboard.entry.context import run_names, run_of

if TYPE_CHECKING:
    from pebench_tasks.leaderboard.check.examine import Checked


def bounds_id(checked: "Checked") -> str:
    """A hash of the base's weights and of the weights, responses and judgements of Finetuned and of every Goal.

    It does not depend on the order of the documents, nor on that of the Goals after the first, to which distances are
    taken.
    """
    submission = checked.submission
    finetuned, first, *others = (
        [run_of(submission, name)["weights"], *checked.answers[name]]
        for name in run_names(submission)
        if name != "model"
    )
    whole = [submission["base"]["weights"], finetuned, first, sorted(others)]
    return hashlib.sha256(json.dumps(whole).encode()).hexdigest()[:16]
