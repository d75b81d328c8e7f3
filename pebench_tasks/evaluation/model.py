"""The backend as the harness gets it: it tells the session what was loaded, and which answers were cut."""

from collections.abc import Mapping, Sequence
from typing import Any

from lmms_eval.api.instance import GenerationResult, Instance

from pebench_tasks.backend.generation import MAX_NEW_TOKENS
from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.evaluation.announce import say
from pebench_tasks.evaluation.session import OWN_BACKEND, boundary, session
from pebench_tasks.results.files import TARGETS


class EvaluatedHf(PebenchHf):
    """``--model pebench_hf``: the checkpoint's run record goes into the results."""

    def announce(self) -> None:
        """Hand the session the checkpoint's name, data type, run record and the generation settings that it obeys."""
        dtype, own = str(self.dtype).removeprefix("torch."), self.own_settings
        facts = {"generation": own.obeyed} if own.obeyed else {}
        boundary(session.loaded)(self.pretrained, dtype=dtype, backend=OWN_BACKEND, **facts)
        if own.obeyed:
            one_by_one = " They read a prompt's padding, so one question is asked at a time." * own.alone
            say(f"{self.pretrained} has generation settings of its own, obeyed: {_listed(own.obeyed)}.{one_by_one}")
        if own.overruled:
            say(
                f"{self.pretrained} asks for another decoding than the task, which stands: not {_listed(own.overruled)}"
            )

    def generate_until(self, requests: Sequence[Instance]) -> list[GenerationResult]:
        """Answer every request; the run learns which of its documents got as many tokens as were allowed."""
        results = super().generate_until(requests)
        for request, result in zip(requests, results, strict=True):
            _context, _messages, settings, doc_id, task, split = request.args
            tokens = result.token_counts.output_tokens
            if task in TARGETS and tokens >= settings.get("max_new_tokens", MAX_NEW_TOKENS):
                session.run.cut.add((TARGETS[task], self.task_dict[task][split][doc_id]["key"]))
        return results


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
