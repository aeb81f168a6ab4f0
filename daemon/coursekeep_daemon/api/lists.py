"""Lists: `limit` and `cursor` in, `{"items": [...]}` and a Link to the next part out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from coursekeep_daemon.store.records import Slice

__all__ = ["Listing", "Paging", "listing"]

T = TypeVar("T")
R = TypeVar("R")


class Paging(BaseModel):
    """Which part of a list. Unknown parameters are refused: a misspelt filter would silently show everything."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=200, description="Most entries to return.")
    cursor: str | None = Field(None, description="From the `next` link of the part before.")


class Listing(BaseModel, Generic[T]):
    """Part of a list. A `Link` header with `rel="next"` leads to what follows; without it this is the end."""

    items: list[T]


def listing(request: Request, response: Response, part: Slice[R], convert: Callable[[R], T]) -> Listing[T]:
    """Return a part of a list, and put the link to the next one into the answer.

    The link is relative to the host, so that it holds behind a proxy too.
    """
    if part.next_cursor is not None:
        url = request.url.include_query_params(cursor=part.next_cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Listing(items=[convert(each) for each in part.items])
