"""The drawing of docs/scale.md: hours over workers, one bar each, without any library."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["draw"]

_WIDTH, _HEIGHT, _LEFT, _GROUND, _TOP = 720, 300, 60, 250, 30


def draw(bars: Sequence[tuple[str, float, str]], *, title: str, below: str) -> str:
    """Return an SVG of bars, each with its name, its height in hours and what keeps it from being lower."""
    highest = max(hours for _, hours, _ in bars)
    step = (_WIDTH - _LEFT) / len(bars)
    frame = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame} font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="18" fill="#222">{title}</text>',
    ]
    for number, (name, hours, limit) in enumerate(bars):
        height = (_GROUND - _TOP - 20) * hours / highest
        x, y = _LEFT + number * step, _GROUND - height
        middle = x + step * 0.35
        parts += [
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.7:.1f}" height="{height:.1f}" fill="#2f6f8f"/>',
            f'<text x="{middle:.1f}" y="{y - 5:.1f}" text-anchor="middle" fill="#222">{hours:.0f} h</text>',
            f'<text x="{middle:.1f}" y="{_GROUND + 17}" text-anchor="middle" fill="#222">{name}</text>',
            f'<text x="{middle:.1f}" y="{_GROUND + 33}" text-anchor="middle" font-size="10" fill="#555">{limit}</text>',
        ]
    parts += [f'<text x="0" y="{_GROUND + 17}" fill="#222">{below}</text>', "</svg>"]
    return "\n".join(parts) + "\n"
