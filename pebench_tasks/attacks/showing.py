"""The image of a turn, as a model gets to see it: the benchmark's own, changed, or drawn anew."""

from PIL import Image

from pebench_tasks.attacks.asking import Part
from pebench_tasks.attacks.image_changes import changed
from pebench_tasks.attacks.redrawn import REDRAWN, redrawn
from pebench_tasks.benchmark.reading import Benchmark


def shown(benchmark: Benchmark, part: Part) -> Image.Image:
    """The image of a turn's part; KeyError for a change that is none."""
    if part["change"] in REDRAWN:
        return redrawn(benchmark, part)
    return changed(benchmark.image(part["image"]), part)
