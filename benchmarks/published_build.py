"""How long a copy of the published layout takes to build, and how much memory: 200 people, 41 images of 512 px each.

    python benchmarks/published_build.py --work DIR

Writes the copy into DIR (about 0.7 GB, kept for another run), builds it in a process of its own, builds it again (which
compares every image with the stored one), and prints seconds and peak memory. The pictures are blurred noise: 200
different ones, each file with a comment of its own, so that no two have the same bytes.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image, ImageFilter

from pebench_tasks.benchmark.synthetic.events import EVENTS

PEBENCH = "from pebench_tasks.cli import main; raise SystemExit(main())"
SIZE, QUALITY, DIFFERENT = 512, 82, 200


def main() -> None:
    """Write the copy, build it twice, print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="a folder for the copy and the benchmark")
    parser.add_argument("--people", type=int, default=200)
    options = parser.parse_args()
    copy, out = options.work / f"copy{options.people}", options.work / "benchmark"
    if not (copy / "PEBench.csv").exists():
        write_copy(copy, options.people)
    shutil.rmtree(out, ignore_errors=True)
    sizes = [path.stat().st_size for path in copy.rglob("*.jpg")]
    figures = {"images": len(sizes), "mean_kB": round(sum(sizes) / len(sizes) / 1000, 1), "cores": os.cpu_count()}
    for label in ("build", "build_again"):
        started = time.perf_counter()
        words = ["data", "build", "--source", "folder", "--path", str(copy), "--out", str(out)]
        process = subprocess.Popen([sys.executable, "-c", PEBENCH, *words], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{label} failed")
        figures[f"{label}_s"] = round(time.perf_counter() - started, 1)
        figures[f"{label}_MiB"] = round(usage.ru_maxrss / 1024)
    print(json.dumps({"published_build": figures}))


def write_copy(folder: Path, people: int) -> None:
    """An imagefolder of ``people`` x (40 scenes and a portrait) and a table with absolute paths of another machine."""
    pictures = [picture(seed) for seed in range(DIFFERENT)]
    rows = []
    for number in range(people):
        name = f"{chr(65 + number % 26)}{'aeiou'[number % 5]}na {'bdfgklmnprst'[number // 26]}ovak{number % 13 * 'a'}"
        home = folder / "train" / name.replace(" ", "_")
        home.mkdir(parents=True, exist_ok=True)
        for scene in range(41):
            comment = f"{number}/{scene}".encode()
            marked = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
            data = pictures[(number * 41 + scene) % DIFFERENT]
            (home / f"{scene:02d}.jpg").write_bytes(data[:2] + marked + data[2:])
            if scene:
                event = EVENTS[scene - 1]
                rows.append([f"/home/author/PEBench/{name.replace(' ', '_')}/{scene:02d}.jpg", name, event.name,
                             event.description])  # fmt: skip
    with (folder / "PEBench.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["image_path", "person", "event", "description"], *rows])


def picture(seed: int) -> bytes:
    """A JPEG of blurred noise, about as large as a photograph."""
    noise = Image.frombytes("RGB", (SIZE, SIZE), Random(seed).randbytes(SIZE * SIZE * 3))
    buffer = BytesIO()
    noise.filter(ImageFilter.GaussianBlur(1.0)).save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
