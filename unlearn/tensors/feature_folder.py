"""A folder of what frozen vision towers make of images, for further runs and for other processes.

One file an image and tower, written under another name and then renamed, never changed afterwards; so any number of
processes may use a folder. What a file holds depends on pixels, weights, precision and version: all are in its name.
"""

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pebench_tasks.errors import BenchmarkError

log = logging.getLogger("unlearn")
FORMAT = "pebench-features/1"
NAME = "features-"  # what the files of a folder begin with
FOLDER_BYTES = 64 << 30  # 55,000 images of LLaVA-1.5-7B in bfloat16


class FeatureFolder:
    """A folder of features; of the files in it, those of the tower, precision and version that ``facts`` name.

    Raises ``BenchmarkError`` if it is something else. Nothing is added once it holds ``limit`` bytes; each of so many
    ``processes`` fills its share of what is left.
    """

    def __init__(
        self, directory: Path, facts: Mapping[str, str], limit: int = FOLDER_BYTES, processes: int = 1
    ) -> None:
        self.directory = directory
        self.facts = {"format": FORMAT, **facts}
        self._tower = hashlib.sha256(json.dumps(self.facts).encode()).hexdigest()[:16]
        if directory.exists() and not directory.is_dir():
            raise BenchmarkError(f"{directory} is a file, not a feature cache. Choose another --feature_cache.")
        directory.mkdir(parents=True, exist_ok=True)
        files = list(directory.iterdir())
        if any(not file.name.startswith(NAME) for file in files):
            raise BenchmarkError(f"{directory} is no feature cache. Choose another --feature_cache.")
        self._full = False
        self._room = (limit - sum(file.stat().st_size for file in files if file.exists())) // processes

    def get(self, key: str) -> tuple[list[Tensor], tuple[int, ...]] | None:
        """What ``put`` was given; None if it was not. ``BenchmarkError`` if a file is damaged, or another's."""
        path = self._path(key)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                noted = dict(file.metadata() or {})
                given = tuple(json.loads(noted.pop("given")))
                if noted != {**self.facts, "image": key}:
                    raise ValueError("a file of another image or tower")
                return [file.get_tensor(str(number)) for number in range(len(file.keys()))], given
        except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
            raise BenchmarkError(
                f"{path} in the feature cache is damaged. Delete it; its features are computed anew."
            ) from error

    def put(self, key: str, read: list[Tensor], given: tuple[int, ...]) -> None:
        """Add what is read of an image's features, and the shape of what the tower was given."""
        size = sum(tensor.nbytes for tensor in read)
        if self._full or size > self._room:
            self._say_full("it holds as much as it may")
            return
        self._room -= size
        temporary = self.directory / f"{NAME}{uuid.uuid4().hex}.partial"
        noted = {**self.facts, "image": key, "given": json.dumps(given)}
        try:
            save_file({str(number): tensor for number, tensor in enumerate(read)}, temporary, noted)
            os.replace(temporary, self._path(key))
        except (OSError, SafetensorError) as error:  # a full disk costs time, not the run
            temporary.unlink(missing_ok=True)
            self._say_full(str(error))

    def _say_full(self, why: str) -> None:
        if not self._full:
            log.warning("nothing more is added to the feature cache %s: %s", self.directory, why)
        self._full = True

    def _path(self, key: str) -> Path:
        return self.directory / f"{NAME}{self._tower}-{key}.safetensors"
