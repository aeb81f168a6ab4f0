"""Damage to what is stored, as disks do it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["flip"]


def flip(directory: Path) -> Path:
    """Change one bit of the largest stored file of a package's first version; return the file."""
    content = [path for path in directory.glob("v1/content/data/**/*") if path.is_file()]
    victim = max(content, key=lambda path: (path.stat().st_size, path))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    return victim
