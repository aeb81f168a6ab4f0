"""Addresses of an LMS: how they are put together, whose they are, and how they are named in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from coursekeep.errors import ForeignHost, MalformedAnswer, NotFound, SettingsError

__all__ = ["Params", "Site", "encode", "host_of", "is_absolute", "name_call", "parse", "segment", "with_query"]

#: query or form fields; lists give one field per element, None leaves the field out
Params = Mapping[str, Any] | Sequence[tuple[str, Any]]

#: segments of paths that look like keys: long, and with digits strewn in
_KEY = re.compile(r"(?=(?:[^/]*\d){4})[0-9A-Za-z_.~=-]{32,}")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def is_absolute(address: str) -> bool:
    """Tell whether an address has a scheme of its own."""
    return _ABSOLUTE.match(address) is not None


def parse(address: str, where: str) -> httpx.URL:
    """Parse an absolute address that an LMS gave; raises `MalformedAnswer` for what is none."""
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        raise MalformedAnswer("the LMS gave an address that cannot be read", where=where) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ForeignHost(f"the LMS leads to an address of the kind {url.scheme or 'unknown'!r}, not http", where=where)
    if url.userinfo:
        raise ForeignHost("the LMS leads to an address that holds a user name or password", where=where)
    return url


def host_of(url: httpx.URL) -> str:
    """Name scheme, host and port for people, and nothing of path or query."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


def name_call(method: str, url: httpx.URL) -> str:
    """Name a call for errors and logs: no query, and no part of the path that looks like a key."""
    path = url.raw_path.split(b"?", 1)[0].decode("ascii")
    if len(path) > 32:
        path = "/".join("..." if _KEY.fullmatch(segment) else segment for segment in path.split("/"))
    return f"{method} {path}"


def with_query(address: str, params: Params) -> str:
    """Append fields to an address that may have a query already."""
    query = encode(params)
    if not query:
        return address
    return f"{address}{'&' if '?' in address else '?'}{query}"


def segment(id_: str) -> str:
    """Return an id as one segment of a path, whatever it holds.

    Raises `NotFound` for an id that no path can carry: empty, or dots that lead to another place of the path.
    """
    if id_.strip() in ("", ".", ".."):
        raise NotFound(f"nothing has the id {id_!r}")
    return quote(id_, safe="", errors="surrogatepass")


def encode(params: Params) -> str:
    """Encode fields as a query or form."""
    if not params:
        return ""
    pairs = params.items() if isinstance(params, Mapping) else params
    return urlencode([(name, _text(one)) for name, value in pairs for one in _each(value)])


def _each(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple | set | frozenset) else (value,)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The integration's own address: the only place that its credentials may go to."""

    #: without a slash at the end
    base: str
    url: httpx.URL

    @classmethod
    def at(cls, base_url: str) -> Site:
        """Take the address from the settings; raises `SettingsError` where it cannot be one."""
        try:
            url = httpx.URL(base_url.strip())
            urlsplit(base_url)  # stricter about brackets
        except (httpx.InvalidURL, ValueError):
            raise SettingsError("base_url: is no address; write it like https://lms.example.edu") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise SettingsError("base_url: must begin with https:// or http:// and name a host")
        if url.userinfo or url.query or url.fragment:
            raise SettingsError("base_url: must be plain, without user name, password, query or fragment")
        return cls(base=str(url).rstrip("/"), url=url)

    def owns(self, url: httpx.URL) -> bool:
        """Tell whether an address has this site's origin: scheme, host and port."""
        own = self.url
        return url.raw_host == own.raw_host and url.scheme == own.scheme and url.port == own.port

    def address(self, address: str, params: Params = (), *, method: str = "GET") -> httpx.URL:
        """Complete an address that a connector asks for; raises `ForeignHost` where it is another origin's."""
        if not is_absolute(address):
            address = f"{self.base}/{address.lstrip('/')}"
        return self.own(parse(with_query(address, params), method), method)

    def own(self, url: httpx.URL, where: str) -> httpx.URL:
        """Return the address where it is this site's; raises `ForeignHost`, before anything is sent."""
        if self.owns(url):
            return url
        raise ForeignHost(
            f"the LMS leads to {host_of(url)}, but the integration's address is {host_of(self.url)}; nothing was sent"
            " there. If the LMS has moved, change base_url",
            where=where,
        )

    def join(self, base: httpx.URL, link: str, where: str) -> httpx.URL:
        """Resolve a link of an answer from `base`, otherwise verbatim; of any origin."""
        try:
            return parse(str(base.join(link)), where)
        except (httpx.InvalidURL, ValueError):
            raise MalformedAnswer("the LMS gave a link that cannot be read", where=where) from None
