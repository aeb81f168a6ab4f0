"""Following lists to their end, whatever the pages look like, without being led astray or in circles."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from coursekeep.addresses import Site
from coursekeep.errors import MalformedAnswer

__all__ = ["Following", "ListKey", "Page", "unique_items", "walk"]

#: so many pages in a row that bring nothing new are a loop; single empty pages are legal
_BARREN = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a list."""

    #: counted from 1
    number: int
    items: list[Any]
    #: the whole JSON body, where the list is wrapped in an object
    body: Any
    headers: httpx.Headers = field(default_factory=httpx.Headers)


#: asks for one page and returns the answer with its parsed body
Ask = Callable[[httpx.URL], Awaitable[tuple[httpx.Response, Any]]]
#: returns the address of the next page, absolute or relative to the answer's, from the answer, its parsed body and
#: the items in it; None at the end
Following = Callable[[httpx.Response, Any, Sequence[Any]], str | None]
#: where a list lies in an object: a key, or keys from the outermost inwards; None where the answer is the list
ListKey = str | Sequence[str] | None


async def walk(
    ask: Ask, site: Site, following: Following, first: httpx.URL, where: str, key: ListKey
) -> AsyncGenerator[Page]:
    """Yield the pages of a list. Links are opaque: followed as they are, after a look at their origin."""
    seen: set[str] = set()
    barren = 0
    before = b""
    url: httpx.URL | None = first
    while url is not None:
        seen.add(str(url))
        response, body = await ask(url)
        items = _items(body, key, where)
        barren = barren + 1 if not items or response.content == before else 0
        if barren >= _BARREN:
            raise MalformedAnswer(f"{_BARREN} pages in a row brought nothing new", where=where)
        before = response.content
        yield Page(number=len(seen), items=items, body=body, headers=response.headers)
        link = following(response, body, items)
        url = site.own(site.join(response.request.url, link, where), where) if link else None
        if url is not None and str(url) in seen:
            raise MalformedAnswer(f"page {len(seen)} leads back to an earlier page", where=where)


def _items(body: Any, key: ListKey, where: str) -> list[Any]:
    for name in (key,) if isinstance(key, str) else key or ():
        if not isinstance(body, dict) or name not in body:
            raise MalformedAnswer(f"the answer has no {name!r}", where=where)
        body = body[name]
    if not isinstance(body, list):
        named = "the answer" if key is None else f"{key!r} of the answer"
        raise MalformedAnswer(f"{named} is no list", where=where)
    return body


async def unique_items(pages: AsyncIterator[Page]) -> AsyncIterator[Any]:
    """Yield the items of all pages, each id once: items move between pages while a list is read."""
    seen: set[Hashable] = set()
    async for page in pages:
        for item in page.items:
            identity = item.get("id") if isinstance(item, dict) else None
            if isinstance(identity, str | int):
                if identity in seen:
                    continue
                seen.add(identity)
            yield item
