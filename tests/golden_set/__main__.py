"""``python -m golden_set OUT``: every golden file into ``OUT/GROUP``; a group that cannot be built has no folder."""

import sys
import traceback
from importlib import import_module
from pathlib import Path

from golden_set import GROUPS, scored


def main(out: Path) -> int:
    """Build all groups; returns 1 if one failed."""
    scored.build()
    failed = 0
    for group in GROUPS:
        try:
            files = import_module(f"golden_set.{group}").goldens()
        except Exception:
            failed = 1
            print(f"{group}:\n{traceback.format_exc()}", file=sys.stderr)
            continue
        for name, content in files.items():
            path = out / group / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
