"""The backend as the harness gets it: it tells the session what was loaded."""

from collections.abc import Mapping
from typing import Any

from lmms_eval import evaluator

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.backend.threads import ONE_THREAD, one_is_enough
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.likelihood_calls import extend_likelihoods
from pebench_tasks.evaluation.session import OWN_BACKEND, boundary, session


class EvaluatedHf(PebenchHf):
    """``--model pebench_hf``: the checkpoint's run record goes into the results."""

    def announce(self) -> None:
        """Hand the session the checkpoint's name, data type, run record and the generation settings that it obeys.

        And that its linear layers are packed, where they are: they round otherwise. And what its weights were rounded
        to.
        """
        dtype, own = str(self.dtype).removeprefix("torch."), self.own_settings
        facts: dict[str, Any] = {"generation": own.obeyed} if own.obeyed else {}
        facts |= {"packed": True} if self.packed else {}
        facts |= {"load_in": self.load_in} if self.load_in else {}
        if not extend_likelihoods(evaluator):
            session.announce("lmms-eval has changed: tasks that ask how likely an answer is may fail")
        boundary(session.loaded)(self.pretrained, dtype=dtype, backend=OWN_BACKEND, **facts)
        if one_is_enough(self.parameters, self.device):
            session.announce(ONE_THREAD)
        if own.obeyed:
            one_by_one = " They read a prompt's padding, so one question is asked at a time." * own.alone
            say(f"{self.pretrained} has generation settings of its own, obeyed: {_listed(own.obeyed)}.{one_by_one}")
        if own.overruled:
            say(
                f"{self.pretrained} asks for another decoding than the task, which stands: not {_listed(own.overruled)}"
            )


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
