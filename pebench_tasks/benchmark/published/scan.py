"""Which files a copy of the published data holds: images, tables, and what cannot be used."""

import os
from pathlib import Path
from typing import NamedTuple

from pebench_tasks.errors import BenchmarkError

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")
TABLE_ENDINGS = (".csv", ".tsv")
TABLE_NAME = "pebench.csv"


class ImageFile(NamedTuple):
    """An image on disk that has not been opened yet; ``problem`` says why it cannot be."""

    path: Path
    parts: tuple[str, ...]  # of the path inside the scanned folder
    size: int
    mtime_ns: int
    problem: str = ""

    @property
    def name(self) -> str:
        return "/".join(self.parts)

    @property
    def folder(self) -> str:
        """The folder it lies in, or "" at the top."""
        return self.parts[-2] if len(self.parts) > 1 else ""


class Skipped(NamedTuple):
    """Something that is not used, and why."""

    reason: str
    name: str


class Scan(NamedTuple):
    root: Path
    images: list[ImageFile]  # sorted by path
    tables: list[Path]
    skipped: list[Skipped]  # folders; an image that cannot be used is among the images, with its problem
    other_files: int


def scan_folder(folder: Path) -> Scan:
    """Walk ``folder``; hidden files and folders are passed over.

    A link is followed to a file inside ``folder`` only, never to a folder. In a snapshot of huggingface_hub's cache,
    where every file is a link, "inside" is the cached dataset. Raises ``BenchmarkError`` where there is no folder.
    """
    if not folder.is_dir():
        raise BenchmarkError(f"There is no folder {folder}. Name the folder that holds PEBench.csv and the images.")
    root = folder.resolve()
    inside = root.parent.parent if root.parent.name == "snapshots" else root
    images: list[ImageFile] = []
    tables: list[Path] = []
    skipped: list[Skipped] = []
    other = 0

    def unreadable(error: OSError) -> None:
        skipped.append(Skipped("a folder that cannot be read", _shown(Path(error.filename), root)))

    for place, folders, names in os.walk(root, onerror=unreadable):
        here = Path(place)
        for name in list(folders):
            if name.startswith((".", "__MACOSX")):
                folders.remove(name)
            elif (here / name).is_symlink():
                skipped.append(Skipped("a link to a folder", _shown(here / name, root)))
            elif name.lower().endswith(IMAGE_ENDINGS):
                folders.remove(name)
                images.append(ImageFile(here / name, _parts(here / name, root), 0, 0, "a folder, not an image"))
        for name in names:
            path, ending = here / name, os.path.splitext(name)[1].lower()
            if name.startswith(".") or ending not in IMAGE_ENDINGS + TABLE_ENDINGS:
                other += not name.startswith(".")
            elif ending in TABLE_ENDINGS:
                if problem := _problem(path, inside):
                    skipped.append(Skipped(problem, _shown(path, root)))
                else:
                    tables.append(path)
            elif problem := _problem(path, inside):
                images.append(ImageFile(path, _parts(path, root), 0, 0, problem))
            else:
                status = path.stat()
                images.append(ImageFile(path, _parts(path, root), status.st_size, status.st_mtime_ns))
    return Scan(root, sorted(images, key=lambda image: image.parts), sorted(tables), sorted(skipped), other)


def choose_table(scan: Scan) -> Path:
    """The table of a scanned folder: ``PEBench.csv``, or the only one; ``BenchmarkError`` for none or several."""
    named = [path for path in scan.tables if path.name.lower() == TABLE_NAME]
    candidates = named or scan.tables
    if len(candidates) == 1:
        return candidates[0]
    if broken := [item for item in scan.skipped if item.name.lower().endswith(TABLE_ENDINGS)]:
        raise BenchmarkError(f"{scan.root}: {broken[0].name} is {broken[0].reason}. Copy it again.")
    if not candidates:
        raise BenchmarkError(f"{scan.root} holds no table (.csv or .tsv). Put PEBench.csv beside the images.")
    listed = ", ".join(_shown(path, scan.root) for path in candidates)
    raise BenchmarkError(
        f"{scan.root} holds several tables: {listed}. Keep the one that describes the images, or name it PEBench.csv."
    )


def _problem(path: Path, inside: Path) -> str:
    try:
        path.name.encode()
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            return "a link that leaves the folder"
        if not path.exists():
            return "a link to nothing"
        if not path.is_file():
            return "not a regular file"
        return "" if path.stat().st_size else "an empty file"
    except UnicodeEncodeError:
        return "a file name that is not Unicode"
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return "a file that cannot be read"


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    return tuple(_shown(path, root).split("/"))


def _shown(path: Path, root: Path) -> str:
    return os.fsencode(path.relative_to(root)).decode("utf-8", "backslashreplace").replace(os.sep, "/")
