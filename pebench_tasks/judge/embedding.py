"""Scenes compared by their meaning: a sentence-embedding checkpoint, on the CPU, without any server.

``PEBENCH_JUDGE=embedding:DIR`` or ``embedding:OWNER/NAME`` of the hub (``sentence-transformers/all-MiniLM-L6-v2`` is
the one we measured). Its ``modules.json`` says how token vectors become one; sentence-transformers reads it, which
lmms-eval needs anyway. Code that comes with a checkpoint is never run and pickled weights are never read. The model
knows the languages that it was trained on, most of them English alone.

It runs in float64, and cosines are rounded to six digits: what stands in a batch with a text, or how many threads there
are, changes the sixteenth, so that the same texts always have the same cosine.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pebench_tasks.benchmark.sources.hub import fetch, local_path
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.judge.judge import VARIABLE
from pebench_tasks.machine import loading
from pebench_tasks.marking.similarity import EMBEDDING, fit
from pebench_tasks.marking.words import Text

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

MODULES = "modules.json"
FILES = ("*.safetensors", "*.json", "*.txt", "*.model")  # what an embedding follows from: weights, configuration, words
OTHER_FORMATS = ("onnx", "openvino")  # folders that hold the same model again
DIGITS = 6
BATCH = 32
LONGEST = 100  # words of a piece: far below the 256 word pieces that small checkpoints read
SAME_MEANING = 0.6  # cosine from which two events' descriptions are near (ours)
USUAL = 0.95  # of the other scenes' pieces are at most so near the truth: nearer ones give something away (ours)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|\n+")


def choose_embedding(environ: Mapping[str, str]) -> "Embedding | None":
    """The checkpoint that ``PEBENCH_JUDGE`` names; None for another judge. ``BenchmarkError`` for what is none."""
    kind, _, source = environ.get(VARIABLE, "").strip().partition(":")
    if kind != EMBEDDING:
        return None
    if not (source := source.strip()):
        raise BenchmarkError(f"{VARIABLE} names no model. Write it so:  {VARIABLE}={EMBEDDING}:DIR_or_hub_id")
    folder = local_path(source, "model") or fetch(source, FILES, kind="model")
    return Embedding(Path(source).name or Path(source).resolve().name, folder)


def shared_embedding() -> "Embedding | None":
    """The checkpoint that the environment names, opened once in a process."""
    return _opened(os.environ.get(VARIABLE, ""))


@lru_cache(maxsize=1)
def _opened(chosen: str) -> "Embedding | None":
    return choose_embedding({VARIABLE: chosen})


class Embedding:
    """Cosines of sentence embeddings; safe for threads. The model is loaded when the first text is compared."""

    def __init__(self, name: str, folder: Path) -> None:
        _check(folder)
        self.model = name
        self.fingerprint = f"{EMBEDDING}:{name}@{_hash(folder)}"
        self._folder = folder
        self._vectors: dict[str, NDArray[np.float64]] = {}
        self._meanings: dict[tuple[str, ...], Meaning] = {}
        self._lock = threading.RLock()

    def about(self, scenes: Sequence[str]) -> "Meaning":
        """The similarity of texts about these scenes, the descriptions of all of a benchmark's events."""
        with self._lock:
            return self._meanings.setdefault(tuple(scenes), Meaning(self, scenes))

    def facts(self, events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """What a results file says of it, in the form of a judge's settings; ``near``: the events alike in meaning."""
        meaning = self.about([row["description"] for row in events])
        near = [
            [one["id"], other["id"]]
            for one, other in combinations(events, 2)
            if self.cosine(one["description"], other["description"]) >= SAME_MEANING
        ]
        settings = {"between_scenes": meaning.between, "usual_of_parts": meaning.usual, "dtype": "float64"}
        return {
            "fingerprint": self.fingerprint,
            "model": self.model,
            "settings": settings,
            "not_taken": [],
            "probabilities": False,
            "near": near,
        }

    def prepare(self, texts: Iterable[str]) -> None:
        """Embed texts in batches, those that were not met before."""
        with self._lock:
            new = [text for text in dict.fromkeys(map(fit, texts)) if text not in self._vectors]
            if new:
                vectors = self._encoder.encode(
                    new, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False
                )
                self._vectors.update(zip(new, np.asarray(vectors, dtype=np.float64), strict=True))

    def cosine(self, one: str, other: str) -> float:
        """The cosine of two texts, rounded, and 0 where it is below; 0 for a text without words."""
        if not (Text.of(one).words and Text.of(other).words):
            return 0.0
        self.prepare([one, other])
        cosine = float(self._vectors[fit(one)] @ self._vectors[fit(other)])
        return min(1.0, max(0.0, round(cosine, DIGITS)))

    @cached_property
    def _encoder(self) -> "SentenceTransformer":
        with loading():  # torch
            from safetensors import SafetensorError
            from sentence_transformers import SentenceTransformer
        try:
            encoder = SentenceTransformer(
                str(self._folder),
                device="cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise BenchmarkError(
                f"{self._folder} is no sentence-embedding checkpoint that can be loaded ({_first_line(error)}). Take "
                "another, or download it again."
            ) from None
        return encoder.double().eval()


class Meaning:
    """The similarity of texts by their meaning, among the scenes of one benchmark."""

    def __init__(self, embedding: Embedding, scenes: Sequence[str]) -> None:
        self.fingerprint = embedding.fingerprint
        self._embedding, self._scenes = embedding, list(dict.fromkeys(scenes))

    def given_away(self, truth: str, text: str) -> float:
        """How near the whole text is to the truth, or any part of it: what stands beside a leak does not hide it.

        Of the whole counts what is above the mean cosine of different scenes. A part is as many sentences in a row as
        the truth has. Of many parts one is near by chance, so there what is above the usual one of other scenes' parts.
        """
        parts = pieces(text, len(_sentences(truth)))
        self._embedding.prepare([truth, text, *parts])
        nearest = max((self._embedding.cosine(truth, part) for part in parts), default=0.0)
        return max(self.kept(truth, text), _above(nearest, self.usual))

    def nearness(self, one: str, other: str) -> float:
        """The cosine of two texts."""
        return self._embedding.cosine(one, other)

    def kept(self, truth: str, text: str) -> float:
        """The cosine above the mean one between different scenes, 0-1."""
        return _above(self._embedding.cosine(truth, text), self.between)

    def describes_best(self, truth: str, text: str) -> float | None:
        """Whether no other scene is nearer to the text than the true one."""
        self._embedding.prepare([text, *self._scenes])
        own = self._embedding.cosine(truth, text)
        return float(own > 0 and all(own >= self._embedding.cosine(scene, text) for scene in self._scenes))

    @cached_property
    def between(self) -> float:
        """The mean cosine of two different scenes; 0 for a benchmark of one."""
        self._embedding.prepare(self._scenes)
        cosines = [self._embedding.cosine(*pair) for pair in combinations(self._scenes, 2)]
        return round(float(np.mean(cosines)), DIGITS) if cosines else 0.0

    @cached_property
    def usual(self) -> float:
        """The cosine that nineteen in twenty scenes' nearest parts do not exceed with another scene."""
        parts = {scene: pieces(scene, 1) for scene in self._scenes}
        self._embedding.prepare([*self._scenes, *(part for found in parts.values() for part in found)])
        cosines = [
            max(self._embedding.cosine(truth, part) for part in (other, *parts[other]))
            for truth in self._scenes
            for other in self._scenes
            if other != truth
        ]
        return round(float(np.quantile(cosines, USUAL)), DIGITS) if cosines else 0.0


def pieces(text: str, sentences: int) -> list[str]:
    """The parts of a text: so many sentences in a row, at each place where they begin; long ones are cut.

    Of a text that has no more sentences, and is no longer than ``LONGEST`` words, that is the text itself.
    """
    short = [" ".join(words[i : i + LONGEST]) for one in _sentences(text) for words in [one.split()]
             for i in range(0, len(words), LONGEST)]  # fmt: skip
    return [" ".join(short[i : i + sentences]) for i in range(max(1, len(short) - sentences + 1))] if short else []


def _sentences(text: str) -> list[str]:
    return [one for one in _SENTENCE.split(text.strip()) if Text.of(one).words]


def _above(cosine: float, chance: float) -> float:
    """What of a cosine lies above chance, 0-1."""
    return max(0.0, (cosine - chance) / (1 - chance)) if chance < 1 else 0.0


def _check(folder: Path) -> None:
    """Raise ``BenchmarkError`` for a folder that is no sentence-embedding checkpoint, or wants code of its own."""
    what = f"{folder} is no sentence-embedding checkpoint"
    if not (folder / MODULES).is_file():
        raise BenchmarkError(f"{what}: it has no {MODULES}, which says how token vectors become one.")
    try:
        types = [module["type"] for module in json.loads((folder / MODULES).read_text(encoding="utf-8"))]
    except (ValueError, TypeError, KeyError):
        raise BenchmarkError(f"{what}: its {MODULES} cannot be read.") from None
    if foreign := [kind for kind in types if not str(kind).startswith("sentence_transformers.")]:
        raise BenchmarkError(f"{folder} wants code of its own to be run ({foreign[0]}), which is never done. {ANOTHER}")
    if not any(folder.rglob("*.safetensors")):
        raise BenchmarkError(f"{what} with weights as .safetensors; no others are read. {ANOTHER}")


ANOTHER = "Take another, such as sentence-transformers/all-MiniLM-L6-v2."


def _hash(folder: Path) -> str:
    """A hash of all that an embedding follows from, by names within the folder: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    found = {path.relative_to(folder) for pattern in FILES for path in folder.rglob(pattern)}
    for path in sorted(path for path in found if path.parts[0] not in OTHER_FORMATS):
        with (folder / path).open("rb") as file:
            digest.update(f"{path.as_posix()} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
