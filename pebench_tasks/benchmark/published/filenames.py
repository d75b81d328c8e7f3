"""Finds the image file that a value of the table means: a path of any machine, or a file name."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence

from pebench_tasks.benchmark.published.scan import IMAGE_ENDINGS, ImageFile
from pebench_tasks.marking.words import normalise


class FileNames:
    """The image files of a copy, by name.

    A value means the file with which it shares the longest end of the path. Names are compared without case,
    diacritics, punctuation and the ending; exact spelling decides between files that are then alike.
    """

    def __init__(self, images: Sequence[ImageFile]) -> None:
        self._spelled = [image.parts for image in images]
        self._plain = [_plain(image.parts) for image in images]
        self._by_name: defaultdict[str, list[int]] = defaultdict(list)
        self._by_place: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for number, parts in enumerate(self._plain):
            self._by_name[parts[-1]].append(number)
            self._by_place[self.folder(number), parts[-1]].append(number)
        self.folders = {self.folder(number) for number in range(len(images))} - {""}
        self._found: dict[tuple[str, str | None], int | None] = {}

    def __len__(self) -> int:
        return len(self._plain)

    def folder(self, number: int) -> str:
        """The folder of a file, normalised; "" at the top."""
        return self._plain[number][-2] if len(self._plain[number]) > 1 else ""

    def known(self, value: str) -> bool:
        """Whether any file, of any person, has this name."""
        return bool(value) and _plain(_parts(value) or ("",))[-1] in self._by_name

    def find(self, value: str, folder: str | None = None) -> int | None:
        """The place of the one file that ``value`` means; None for none, or several.

        With ``folder`` (normalised) only the files in folders of that name are looked at.
        """
        if (value, folder) not in self._found:
            self._found[value, folder] = self._search(value, folder)
        return self._found[value, folder]

    def _search(self, value: str, folder: str | None) -> int | None:
        spelled = _parts(value)
        if not spelled:
            return None
        plain = _plain(spelled)
        parent = plain[-2] if len(plain) > 1 else ""
        if folder is not None:
            candidates = self._by_place.get((folder, plain[-1]), [])
        else:
            candidates = self._by_place.get((parent, plain[-1]), []) if parent else []
            if not candidates and parent not in self.folders:  # else it means an image of that folder, which is missing
                candidates = self._by_name.get(plain[-1], [])
        scores = {n: (_common(self._plain[n], plain), _common(self._spelled[n], spelled)) for n in candidates}
        found = [number for number, score in scores.items() if score == max(scores.values())]
        return found[0] if len(found) == 1 else None


def has_ending(value: str) -> bool:
    """Whether a value looks like the name of an image file."""
    return value.lower().endswith(IMAGE_ENDINGS)


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[\\/]+", value.strip()) if part not in ("", "."))


def _plain(parts: Sequence[str]) -> tuple[str, ...]:
    stem, ending = os.path.splitext(parts[-1])
    last = stem if ending.lower() in IMAGE_ENDINGS else parts[-1]
    return tuple(normalise(part) for part in (*parts[:-1], last))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths share, counted from their ends."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
