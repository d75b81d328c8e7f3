"""Datasets and models of the Hugging Face hub on the local disk, or a clear word on why they are not there."""

import re
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from pebench_tasks.errors import BenchmarkError, reason, short

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LOCAL_COPY = "or download its files elsewhere and name the folder instead"


def fetch(
    repo_id: str,
    patterns: Sequence[str],
    revision: str | None = None,
    *,
    kind: Literal["dataset", "model"] = "dataset",
) -> Path:
    """The folder with those files of a dataset or model of the hub that match ``patterns`` (``["data/*.parquet"]``).

    As in huggingface_hub, ``*`` matches across folders. The files lie in its cache: what is there already is not
    downloaded again, an interrupted download goes on. The folder's name is the commit, 40 hexadecimal digits: the
    ``revision`` to record. ``HF_ENDPOINT`` and ``HF_TOKEN`` mean what they mean to huggingface_hub.

    Raises ``BenchmarkError`` where it cannot be reached, does not exist, is gated, or holds no such file.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub = _without_secrets(constants.ENDPOINT)
    page = f"{hub}/datasets/{repo_id}" if kind == "dataset" else f"{hub}/{repo_id}"
    try:
        folder = Path(snapshot_download(repo_id, repo_type=kind, revision=revision, allow_patterns=list(patterns)))
    except GatedRepoError:
        raise BenchmarkError(
            f"The {kind} {repo_id} is gated. Ask for access at {page} and set HF_TOKEN, {LOCAL_COPY}."
        ) from None
    except RepositoryNotFoundError:
        raise BenchmarkError(
            f"There is no {kind} {repo_id} on the hub, or it is private. Check the name; for a private one set "
            f"HF_TOKEN, {LOCAL_COPY}."
        ) from None
    except RevisionNotFoundError:
        raise BenchmarkError(f"The {kind} {repo_id} has no revision {revision!r}. See {page}/commits/main.") from None
    except (LocalEntryNotFoundError, ConnectionError) as error:
        if constants.HF_HUB_OFFLINE:
            raise BenchmarkError(
                f"The dataset {repo_id} is not on this machine, and HF_HUB_OFFLINE is set. Unset it, or run once on a "
                f"connected machine (the files stay in {constants.HF_HUB_CACHE}), {LOCAL_COPY}."
            ) from None
        raise BenchmarkError(
            f"The {kind} {repo_id} is not on this machine and {hub} cannot be reached "
            f"({_reason(error)}). Run once on a connected machine (the files stay in {constants.HF_HUB_CACHE}), "
            f"{LOCAL_COPY}."
        ) from None
    except (HfHubHTTPError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise BenchmarkError(
                f"The dataset {repo_id} cannot be kept in {constants.HF_HUB_CACHE} ({reason(error).rstrip('.')}). Set "
                f"HF_HOME to a folder that can be written, {LOCAL_COPY}."
            ) from None
        raise BenchmarkError(
            f"The {kind} {repo_id} could not be downloaded ({_reason(error)}). Try again, check HF_TOKEN where it is "
            f"set, {LOCAL_COPY}."
        ) from None
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if not any(fnmatch(name, pattern) for name in files for pattern in patterns):
        raise BenchmarkError(
            f"The {kind} {repo_id} holds no file like {' or '.join(patterns)} (commit {folder.name[:12]}). "
            f"See {page}/tree/main, and name a {kind} of the expected layout {LOCAL_COPY.removeprefix('or ')}."
        )
    return folder


def local_path(source: str, kind: Literal["dataset", "model"] = "dataset") -> Path | None:
    """The path that ``source`` names on this machine, or None where it must be a hub id (``owner/name``).

    An existing path comes first. Raises ``BenchmarkError`` for what is neither.
    """
    path = Path(source).expanduser()
    if source and path.exists():
        return path
    if _HUB_ID.fullmatch(source):
        return None
    raise BenchmarkError(
        f"{source!r} is neither a path on this machine nor a {kind} of the hub (owner/name). Check the spelling."
    )


def inside(folder: Path, path: Path) -> bool:
    """Whether ``path``, symbolic links followed, lies in ``folder``.

    The hub's cache links the files of a snapshot to its blobs, two folders up: those count as inside.
    """
    storage = folder.parent.parent
    cached = folder.parent.name == "snapshots" and (storage / "blobs").is_dir()
    return path.resolve().is_relative_to((storage if cached else folder).resolve())


def _reason(error: Exception) -> str:
    return short(_without_secrets(f"{error.__class__.__name__}: {error}".split("\n")[0])).rstrip(".")


def _without_secrets(text: str) -> str:
    """A text without what addresses may hold: a login, the query of a signed one."""
    return re.sub(r"//[^/@\s]+@", "//", re.sub(r"\?\S*", "", text))
