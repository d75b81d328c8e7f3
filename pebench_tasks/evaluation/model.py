"""The backend as the harness gets it: it tells the session what was loaded."""

from pebench_tasks.backend.pebench_hf import PebenchHf
from pebench_tasks.evaluation.session import OWN_BACKEND, boundary, session


class EvaluatedHf(PebenchHf):
    """``--model pebench_hf``: the checkpoint's run record goes into the results."""

    def announce(self) -> None:
        """Hand the session the checkpoint's name, data type and run record."""
        dtype = str(self.dtype).removeprefix("torch.")
        boundary(session.loaded)(self.pretrained, dtype=dtype, backend=OWN_BACKEND)
