"""What a scoring has answered so far, on disk: the same command goes on where an interrupted one stopped.

    FOLDER/<16 hex digits of the identity>/<rank>-<random>.jsonl

Answers are kept by all that decides them: the checkpoint's files with their sizes and times (an adapter's base too),
never its name alone, because a checkpoint that is written again must not get the old answers. A file's first line is
that identity, every other line one answer. Every process writes a file of its own and holds its lock, so that runs at
the same time on one folder do no harm: each reads what is there when it starts, and deletes only what nobody writes.
"""

import fcntl
import hashlib
import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import IO

from tqdm import tqdm

from pebench_tasks.backend.checkpoint_name import adapter_base
from pebench_tasks.errors import BenchmarkError
from pebench_tasks.versions import __version__

FORMAT = "pebench-answers/1"
PACKAGES = ("torch", "torchvision", "transformers", "tokenizers", "peft", "pillow")  # what reads, and what answers


class Journal:
    """The answers of one identity, those of earlier runs among them; without a folder it keeps nothing.

    Nothing is read, made or locked before the first question: a run that fails before leaves nothing behind.
    """

    def __init__(self, folder: Path | None, identity: Mapping[str, str], rank: int) -> None:
        """The answers in ``folder`` for this ``identity``, as ``identify`` gives it; one writer a process, by its rank.

        A backend makes it once its model is loaded and keeps it as ``journal``, for ``pebench score``.
        """
        self._facts = {"format": FORMAT, **identity}
        digest = hashlib.sha256(json.dumps(self._facts, sort_keys=True).encode()).hexdigest()
        self._folder = None if folder is None else folder / digest[:16]
        self._rank = rank
        self._answers: dict[str, tuple[str, int]] | None = None  # None before the first question
        self._file: IO[str] | None = None
        self._closed = False
        self._lock = threading.Lock()  # questions come from another thread than the end

    def begin(self) -> None:
        """Keep answers again after ``close``: another scoring with the same model."""
        self._closed = False

    def known(self, key: bytes) -> tuple[str, int] | None:
        """The answer's text and its number of tokens, or None where the prompt was not answered yet, or once closed.

        The first question says on standard error how many answers are there, and whether the checkpoint has changed
        since some were kept; it raises ``BenchmarkError`` where the folder cannot be written or holds a file of
        another kind.
        """
        with self._lock:
            if self._closed:
                return None
            if self._answers is None:
                self._answers = {} if self._folder is None else self._start(self._folder)
            return self._answers.get(key.hex())

    def _start(self, folder: Path) -> dict[str, tuple[str, int]]:
        """Read what is there, and begin a file."""
        answers: dict[str, tuple[str, int]] = {}
        try:
            if self._rank == 0:
                _drop_old_states(folder, self._facts)
            for path in sorted(folder.glob("*.jsonl")):
                answers |= _read(path, self._facts)
            self._file = _new_file(folder, self._rank)
            self._write(self._facts)
        except OSError as error:
            raise _cannot_keep(folder, error) from error
        if self._rank == 0 and answers:
            _say(f"going on: {len(answers)} answers are there already, in {folder}")
        return answers

    def add(self, key: bytes, text: str, output_tokens: int) -> None:
        """Keep an answer that was not ``known``; when this returns the operating system has it, whole.

        Raises ``BenchmarkError`` where the disk refuses it.
        """
        if self._file is None or self._folder is None:
            return
        try:
            self._write([key.hex(), output_tokens, text])
        except OSError as error:
            raise _cannot_keep(self._folder, error) from error

    def _write(self, line: object) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Stop writing; the answers stay, and a question that comes late opens nothing."""
        with self._lock:
            self._closed = True
            self._answers = None
            if self._file is not None:
                with suppress(OSError):  # what a full disk refused, ``add`` has reported
                    self._file.close()
                self._file = None

    def discard(self) -> None:
        """Delete the answers, once the results are written; those that another run is writing stay."""
        self.close()
        if self._folder is not None:
            _delete(self._folder)
            with suppress(OSError):
                self._folder.parent.rmdir()  # unless other answers lie in it


def identify(pretrained: str, **settings: str) -> dict[str, str]:
    """All that decides an answer beside its prompt: the checkpoint's very files, versions, and these ``settings``.

    Two facts beside the settings are kept apart: ``checkpoint``, its path or hub id, and ``files``, a digest of names,
    sizes and times (the commit for a hub id), of its base's too where it is an adapter. Raises ``BenchmarkError`` for
    a hub id whose files are not in the cache: load the model first.
    """
    sources = [pretrained]
    if base := adapter_base(pretrained):
        sources.append(base)
    files = json.dumps([_files(source) for source in sources])
    folder = Path(pretrained)
    return {
        **settings,
        "checkpoint": str(folder.resolve()) if folder.is_dir() else pretrained,
        "files": hashlib.sha256(files.encode()).hexdigest(),
        "pebench": __version__,
        **{name: version(name) for name in PACKAGES},
    }


def _files(source: str) -> list[tuple[str, int, int]] | str:
    folder = Path(source)
    if folder.is_dir():
        # Code and chat templates may lie in folders. Answers and samples (.jsonl) may be kept here too.
        paths = sorted(path for path in folder.rglob("*") if path.suffix != ".jsonl" and path.is_file())
        found = ((path.relative_to(folder).as_posix(), path.stat()) for path in paths)
        return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in found]
    from huggingface_hub import try_to_load_from_cache

    for name in ("config.json", "adapter_config.json"):
        if isinstance(path := try_to_load_from_cache(source, name), str):
            return Path(path).parent.name  # .../snapshots/COMMIT/config.json
    raise BenchmarkError(f"{source} is neither a folder nor in the hub's cache, so its answers cannot be kept.")


def _new_file(folder: Path, rank: int) -> IO[str]:
    """A file of this process alone, locked while it is open."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / f"{rank}-{secrets.token_hex(8)}.jsonl").open("x", encoding="utf-8")
        except FileNotFoundError:  # another run has just deleted the folder
            continue
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # another run took it for an abandoned one before it was locked


def _read(path: Path, facts: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """The answers in one file; what follows its last line feed was cut off and is passed over."""
    lines = path.read_bytes().split(b"\n")[:-1]
    if not lines:
        return {}
    try:
        if json.loads(lines[0]) != facts:
            raise ValueError("another first line")
        return {key: (text, tokens) for key, tokens, text in (json.loads(line) for line in lines[1:])}
    except (ValueError, TypeError) as error:
        raise BenchmarkError(
            f"{path} holds no answers of this version, or is damaged ({error}). Delete it and start again."
        ) from None


def _drop_old_states(ours: Path, facts: Mapping[str, str]) -> None:
    """Delete the answers of earlier states of this checkpoint, which no run can use; name what lies there else."""
    for other in sorted(path for path in ours.parent.glob("*") if path.is_dir() and path != ours):
        found = next(_first_lines(other), None)
        if found is None or found.get("checkpoint") != facts["checkpoint"]:
            continue
        if found["files"] != facts["files"]:
            _say(f"{facts['checkpoint']} was written again since answers of it were kept; they are not used")
            _delete(other)
        else:
            changed = [name for name in facts if facts[name] != found.get(name)]
            _say(f"the answers in {other} were given with another {', '.join(changed)}; they are not used")


def _first_lines(folder: Path) -> Iterator[dict[str, str]]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            line = file.readline()
        with suppress(ValueError):
            facts = json.loads(line)
            if isinstance(facts, dict) and facts.get("format") == FORMAT:
                yield facts


def _delete(folder: Path) -> None:
    """Delete the files that nobody writes, and the folder if none is left."""
    for path in folder.glob("*.jsonl"):
        # Deleted, being written, or owned by another; over NFS only a file that is open for writing can be locked.
        with suppress(FileNotFoundError, BlockingIOError, PermissionError), path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise
            except OSError:  # a file system without locks: the other run goes on, but could not be resumed
                pass
            path.unlink()
    with suppress(OSError):
        folder.rmdir()


def _cannot_keep(folder: Path, error: OSError) -> BenchmarkError:
    return BenchmarkError(
        f"The answers cannot be kept in {folder}: {error.strerror or error}. Make room, or choose a folder that can be "
        "written, and run the same command again; what was answered is not lost."
    )


def _say(line: str) -> None:
    tqdm.write(f"pebench: {line}", file=sys.stderr)  # not through a progress bar
