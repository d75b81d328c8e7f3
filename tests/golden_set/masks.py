"""What is not in a golden file because it differs between runs or machines. The rules, all of them:

- the folder in which everything runs is ``HERE``;
- numbers with a fraction have 9 significant digits: the last ones of a mean or an interval depend on the order in which
  a processor adds up;
- versions of packages and of Python are ``VERSION``;
- what another library says within a line of ours is ``...``, and choices of argparse stand without quotation marks, as
  Python 3.12 and later write them; the whole help is laid out by argparse, and kept with the Python that wrote it;
- what is measured (seconds, bytes of memory) is ``MEASURED``;
- of a packed file neither size nor hash stays, which depend on the last digits within it and on the packing library;
- fingerprints of trained weights are the checkpoint's name, ``weights of kl``; losses have 2 significant digits;
- of an image only its size, of a plot only its texts, of a page's own style and scripts nothing stays (see ``pages``).
"""

import json
import re
from pathlib import Path
from typing import Any

DIGITS = 9
MASKED = {
    **dict.fromkeys(("seconds", "peak_memory_bytes", "peak_gpu_memory_bytes"), "MEASURED"),
    **dict.fromkeys(("sha256", "bytes"), "OF A PACKED FILE"),
}


PACKAGES = ("PEBench", "pebench", "lmms-eval", "transformers", "torch")
# Our words, and behind them those of huggingface_hub, transformers, PyYAML and Python's json up to where ours go on.
FOREIGN = (
    (r"cannot be reached \(", r"\)\. Run once on"),
    (r"The processor in \S+ cannot be loaded: ", r"$"),
    (r"transformers refuses the training options: ", r"$"),
    (r"--lr_scheduler_type\S* invalid choice: '\w+' \(choose from ", r"\)\. See"),
    (r"The model refuses what its processor makes of \S+ \(", r"\)\. Processor and model"),
    (r" is not readable YAML: ", r"$"),
    (r"\(JSONDecodeError\(", r"\)\)\."),
    (r"/manifest\.json is damaged \(", r"\); build"),
)


def text(content: str) -> str:
    """A text without the folder of this run, versions, sizes of files, and the words of other libraries."""
    here = Path.cwd()
    for folder in (str(here.resolve()), str(here)):
        content = content.replace(folder, "HERE")
    content = re.sub(rf"\b({'|'.join(PACKAGES)}) \d+(\.\w+)+(\+[\w.]+)?", r"\1 VERSION", content)
    content = re.sub(r"\b\d+ bytes(; the submission says \d+)?\b", _bytes, content)
    for ours, again in FOREIGN:
        content = re.sub(f"({ours}).*?(?={again})", r"\1...", content, flags=re.MULTILINE)
    return re.sub(r"(?<=\(choose from )[^)]*", lambda listed: listed[0].replace("'", ""), content)


def _bytes(found: re.Match[str]) -> str:
    return "N bytes; the submission says N" if found[1] else "N bytes"


def value(content: Any, digits: int = DIGITS) -> Any:
    """A value of a JSON file by these rules."""
    if isinstance(content, dict):
        return {name: _field(name, inner, digits) for name, inner in content.items()}
    if isinstance(content, list):
        return [value(inner, digits) for inner in content]
    if isinstance(content, float):
        return float(f"{content:.{digits}g}")
    return text(content) if isinstance(content, str) else content


def _field(name: str, content: Any, digits: int) -> Any:
    if name in MASKED:
        return MASKED[name]
    if name == "versions":
        return {key: "VERSION" if isinstance(one, str) else one for key, one in content.items()}
    return value(content, 2 if name == "losses" else digits)


def dumped(content: Any) -> str:
    """A masked value as indented JSON."""
    return json.dumps(value(content), indent=1, ensure_ascii=False) + "\n"
