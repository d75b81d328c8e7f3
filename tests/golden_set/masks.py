"""What is not in a golden file because it differs between runs or machines. The rules, all of them:

- the folder in which everything runs is ``HERE``;
- numbers with a fraction have 9 significant digits: the last ones of a mean or an interval depend on the order in which
  a processor adds up;
- versions of packages and of Python are ``VERSION``;
- what is measured (seconds, bytes of memory) is ``MEASURED``;
- of a packed file neither size nor hash stays, which depend on the last digits within it and on the packing library;
- fingerprints of trained weights are the checkpoint's name, ``weights of kl``; losses have 2 significant digits;
- of an image only its size, of a plot only its texts, of a page's own style and scripts nothing stays (see ``pages``).
"""

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

DIGITS = 9
MASKED = {
    **dict.fromkeys(("seconds", "peak_memory_bytes", "peak_gpu_memory_bytes"), "MEASURED"),
    **dict.fromkeys(("sha256", "bytes"), "OF A PACKED FILE"),
}


def text(content: str) -> str:
    """A text without the folder of this run."""
    here = Path.cwd()
    for folder in (str(here.resolve()), str(here)):
        content = content.replace(folder, "HERE")
    return re.sub(r"\b\d+ bytes\b", "N bytes", content)


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


def without_version(content: str) -> str:
    """A text without the version of this package."""
    return content.replace(f"PEBench {version('pebench')}", "PEBench VERSION")
