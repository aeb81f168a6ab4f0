"""Canvas's two ways of paging: by number, and by opaque bookmark.

Both clamp `per_page` silently and say where the next page is only in the `link` header. Bookmark lists have no last
page, and refuse pages by number.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from coursekeep_campus.content import ORIGIN
from coursekeep_campus.replies import Raw, dump, not_found

__all__ = ["PageOf", "Window", "by_bookmark", "by_number", "join", "window_of"]

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]

#: Canvas leaves out links until the header is no longer than this
_HEADER_LIMIT = 6000


@dataclass(frozen=True, slots=True)
class Window:
    """What a request says about paging, and the address it says it at."""

    path: str
    query: tuple[tuple[str, str], ...]
    page: str | None
    size: int

    def address(self, page: str | int) -> str:
        """Write the address of another page of the same list."""
        pairs = [*self.query, ("page", str(page)), ("per_page", str(self.size))]
        encoded = "&".join(f"{quote(name, safe='')}={quote(value, safe=':')}" for name, value in pairs)
        return f"{ORIGIN}{self.path}?{encoded}"

    def fingerprint(self) -> int:
        """Return a number that differs from list to list, so that a bookmark of another one is noticed."""
        return zlib.crc32(repr((self.path, self.query)).encode())


@dataclass(frozen=True, slots=True)
class PageOf:
    """One page: its items as JSON pieces, and the `link` header."""

    pieces: list[bytes]
    link: str


def window_of(path: str, query: Pairs, most: int) -> Window:
    """Read `page` and `per_page`. Too large a number is clamped, nonsense means the default of 10."""
    values = dict(query)
    asked = values.get("per_page", "")
    size = int(asked) if asked.isdecimal() and int(asked) > 0 else 10
    left_out = ("page", "per_page", "access_token")
    rest = tuple((name, value) for name, value in query if name not in left_out)
    return Window(path, rest, values.get("page"), min(size, most))


def by_number(
    items: Sequence[T], window: Window, render: Callable[[T], Any], keep: Callable[[T], bool] | None, *, total: bool
) -> PageOf:
    """Cut a page by its number; one past the end is empty.

    `keep` filters after paging, which makes pages short. Without `total` the last page is only told where it is seen.
    """
    page = window.page or "1"
    if not page.isdecimal() or int(page) < 1:
        raise not_found()
    number = int(page)
    start = (number - 1) * window.size
    chosen = items[start : start + window.size]
    last = max(1, -(-len(items) // window.size))
    links: dict[str, str | int] = {"current": number}
    if number < last:
        links["next"] = number + 1
    if number > 1:
        links["prev"] = number - 1
    links["first"] = 1
    if total or number >= last:
        links["last"] = last
    pieces = [dump(render(item)) for item in chosen if keep is None or keep(item)]
    return PageOf(pieces, _header(window, links))


def by_bookmark(items: Sequence[T], window: Window, render: Callable[[T], Any], key: Callable[[T], int]) -> PageOf:
    """Cut a page after a bookmark. `items` are sorted by `key`."""
    start = 0
    if window.page not in (None, "first"):
        start = bisect_right(items, _read_bookmark(str(window.page), window.fingerprint()), key=key)
    chosen = items[start : start + window.size]
    links: dict[str, str | int] = {"current": window.page or "first"}
    if start + window.size < len(items):
        links["next"] = _bookmark(key(chosen[-1]), window.fingerprint())
    links["first"] = "first"
    return PageOf([dump(render(item)) for item in chosen], _header(window, links))


def join(pieces: Sequence[bytes], wrap: str | None = None) -> Raw:
    """Put pieces together to a JSON array, inside an object where the list is a wrapped one."""
    array = b"[" + b",".join(pieces) + b"]"
    return Raw(array if wrap is None else b'{"' + wrap.encode() + b'":' + array + b"}")


def _bookmark(value: int, fingerprint: int) -> str:
    text = json.dumps([value, fingerprint]).encode()
    return "bookmark:" + base64.urlsafe_b64encode(text).decode()


def _read_bookmark(text: str, fingerprint: int) -> int:
    if not text.startswith("bookmark:"):
        raise not_found()
    try:
        value, stamped = json.loads(base64.urlsafe_b64decode(text.removeprefix("bookmark:")))
    except (ValueError, TypeError, binascii.Error):
        raise not_found() from None
    if stamped != fingerprint or not isinstance(value, int):
        raise not_found()
    return value


def _header(window: Window, links: dict[str, str | int]) -> str:
    parts = {relation: f'<{window.address(page)}>; rel="{relation}"' for relation, page in links.items()}
    for relation in ("first", "current", "prev", "last"):
        if sum(map(len, parts.values())) <= _HEADER_LIMIT:
            break
        parts.pop(relation, None)
    return ",".join(parts.values())
