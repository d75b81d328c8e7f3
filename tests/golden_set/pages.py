"""What people look at: the report, a comparison, a board with its submissions; what the commands printed and listed."""

import base64
import io
import json
import re
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from golden_set import masks
from golden_set.commands import succeed

BOARD = {"title": "A board of golden files", "about": "Nobody's results.", "judges": ["lexical"]}
LINK = "https://example.org/method"
SUBMITTED = {"gd-person": ("gd", "person"), "ga-person": ("ga", "person"), "gd-event": ("gd", "event"),
             "gd-joint": ("gd", "joint")}  # fmt: skip
TEXTS = (".html", ".md", ".csv", ".json")


def goldens() -> dict[str, str]:
    """Every page, the tables beside it, and what was printed."""
    Path("board").mkdir()
    Path("board/board.json").write_text(json.dumps(BOARD), encoding="utf-8")
    printed = [
        "pebench data show data --forget 20 --out sheet.png",
        f"XDG_CONFIG_HOME={Path.cwd()}/used pebench data use data",  # the commands after it have no default
        "pebench real filter scores/finetuned --out known.json",
        "pebench report scores --samples 4 --thumbnail 16 --out report",
        "pebench compare scores/finetuned scores/gd scores/ga --csv differences.csv --out comparison",
        *(
            f"pebench submit scores/{method} --target {target} --name {name} --link {LINK} --data data --out board"
            for name, (method, target) in SUBMITTED.items()
        ),
        "pebench leaderboard verify board gd-person scores/gd scores/finetuned scores/goal --data data --by Ada",
        "pebench leaderboard check board --data data",
        "pebench leaderboard build board --data data --out site",
    ]
    said = [masks.text(f"$ {command}\n{succeed(command).out}") for command in printed]
    files = {"printed.txt": dated("\n".join(said)), "differences.csv": table(Path("differences.csv").read_text())}
    files["known.json"] = shown(Path("known.json"))
    for folder in ("report", "comparison", "site", "board"):
        for path in sorted(
            path for path in Path(folder).rglob("*") if path.suffix in TEXTS and "assets" not in path.parts
        ):
            files[str(path)] = shown(path)
    return files


def shown(path: Path) -> str:
    """A file as it is kept."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        return dated(page(content))
    if path.suffix == ".json":
        return dated(masks.dumped(json.loads(content)))
    return dated(masks.text(table(content) if path.suffix == ".csv" else content))


def table(content: str) -> str:
    """CSV with the digits that do not depend on the processor."""
    return re.sub(
        r"(?<![\w.])-?\d+\.\d{6,}(?:e-?\d+)?(?![\w.])", lambda found: f"{float(found[0]):.{masks.DIGITS}g}", content
    )


def dated(content: str) -> str:
    """A text without today's date."""
    return content.replace(datetime.now(UTC).date().isoformat(), "TODAY")


def page(content: str) -> str:
    """A page a tag a line, its own style and scripts left out, images and plots as ``masks`` says."""
    content = masks.text(content)
    content = re.sub(r"(<style[^>]*>).*?(</style>)", r"\1OURS\2", content, flags=re.DOTALL)
    content = re.sub(r"(<script(?![^>]*json)[^>]*>)[^<].*?(</script>)", r"\1OURS\2", content, flags=re.DOTALL)
    content = re.sub(r"(<script[^>]*json[^>]*>)(.*?)(</script>)", _data, content, flags=re.DOTALL)
    content = re.sub(r'<svg[^>]*role="img"[^>]*>.*?</svg>', _plot, content, flags=re.DOTALL)
    return re.sub(r"data:image/(?!svg)\w+;base64,[\w+/=]+", lambda found: image(found[0]), content)


def _data(found: re.Match[str]) -> str:
    content = json.dumps(masks.value(json.loads(found[2])), indent=0, ensure_ascii=False)
    return f"{found[1]}\n{content}\n{found[3]}"


def _plot(found: re.Match[str]) -> str:
    """Where letters lie depends on the machine's fonts: the texts stay, in order, and what the marks say."""
    drawn = ElementTree.fromstring(found[0])
    lines = [f"{part.tag}: {part.text}" for part in drawn.iter() if part.tag in ("text", "title")]
    return "\n".join([f'<svg role="img" aria-label="{drawn.get("aria-label")}">', *lines, "</svg>"])


def image(address: str) -> str:
    """What stands for an image in a page."""
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as found:
        return f"[{found.format} {found.width} x {found.height}]"
