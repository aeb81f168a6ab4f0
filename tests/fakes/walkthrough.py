"""The connector that docs/how-to/write-a-connector.md writes, assembled from the blocks of the page."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["PAGE", "assemble", "titled_blocks"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "write-a-connector.md"
_TITLED = re.compile(r'^```\w+ title="([^"\n]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)


def titled_blocks() -> dict[str, str]:
    """Return the text of every file on the page: blocks of one name follow each other."""
    files: dict[str, str] = {}
    for name, body in _TITLED.findall(PAGE.read_text(encoding="utf-8")):
        files[name] = files.get(name, "") + body
    return files


def assemble(folder: Path) -> None:
    """Do in a new distribution what the page says: write its files, and delete what is not needed any longer."""
    for name, text in titled_blocks().items():
        if name.endswith(".py"):
            (folder / name).write_text(text, encoding="utf-8")
    (folder / "coursekeep_greenfield" / "fake_lms.py").unlink()
