"""Text files that are there whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file under a temporary name, then rename it; folders on the way are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.partial")
    temporary.write_text(text, encoding="utf-8", newline="")
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink()
        raise
