"""Calls of Moodle's functions: which there are, how arguments are written, and what a bare refusal means."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from coursekeep import (
    CredentialsNeeded,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    Unavailable,
)
from coursekeep_connectors.moodle.client import AccessRefused, MoodleDialect, ServerFault

__all__ = ["INFO", "Calls", "SiteInfo", "flat"]

INFO = "core_webservice_get_site_info"
_REST = "/webservice/rest/server.php"
#: seconds for which the site's own description is good
_FRESH = 300.0
#: seconds within which it is not asked again whether the token is good
_JUST_NOW = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteInfo:
    """What a Moodle says of itself and of the service that the token belongs to."""

    name: str
    #: address by which the site knows itself, which files are named after
    url: str
    release: str
    version: str
    user_id: str
    functions: frozenset[str]
    downloads: bool


class Calls:
    """Calls functions of one Moodle, as far as its service has them."""

    def __init__(self, client: LmsClient, dialect: MoodleDialect, base_url: str) -> None:
        self.client = client
        self._dialect = dialect
        self._base = base_url.rstrip("/")
        self._info: SiteInfo | None = None
        self._read_at = 0.0

    async def info(self, *, fresh: bool = False) -> SiteInfo:
        """Return what the site says of itself; read anew now and then, since functions are added and taken away.

        Raises `CredentialsNeeded` where Moodle refuses even this: then it is about the token, not about an object.
        """
        if fresh or self._info is None or time.monotonic() - self._read_at > _FRESH:
            try:
                self._info = _info(await self._ask(INFO, {}))
            except AccessRefused as error:
                advice = (
                    "the token may have expired, or be bound to other addresses, or the service may be switched off"
                )
                raise CredentialsNeeded(f"Moodle refuses access; {advice}", where=error.where) from error
            self._read_at = time.monotonic()
        return self._info

    async def alive(self) -> None:
        """Make sure that the token is still good; asks at most every few seconds. Raises as `info`."""
        await self.info(fresh=time.monotonic() - self._read_at > _JUST_NOW)

    async def has(self, function: str) -> bool:
        """Tell whether the service has a function."""
        return function in (await self.info()).functions

    async def call(self, function: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Call a function and return its parsed answer.

        Raises `Unavailable` where the service lacks the function, `NoAccess`, `NotFound`, `CredentialsNeeded`,
        `RetryLater`, `MalformedAnswer`.
        """
        if not await self.has(function):
            raise Unavailable(f"the web service of this token lacks the function {function}", where=function)
        try:
            return await self._ask(function, arguments or {})
        except AccessRefused as error:
            if function not in (await self.info(fresh=True)).functions:
                message = f"the web service of this token lacks the function {function}"
                raise Unavailable(message, where=function) from error
            raise NoAccess("Moodle refuses this function", where=function) from error
        except ServerFault as error:
            # Where the site is well otherwise, this function fails for a reason of its own, and will fail again.
            await self.info(fresh=True)
            raise MalformedAnswer(f"{error.message}, however often it was asked", where=function) from error

    async def _ask(self, function: str, arguments: Mapping[str, Any]) -> Any:
        form = [*self._dialect.form(function), *flat(arguments)]
        return (await self.client.post(_REST, form, repeatable=True, where=function)).body

    def relocated(self, url: str) -> str:
        """Return the address of a file as it is reached from here, through the function that takes tokens.

        Moodle names files after the address that it is configured with, which may differ from ours.
        """
        site = (self._info.url if self._info is not None else "").rstrip("/")
        for base in {self._base, site} - {""}:
            if url.startswith(f"{base}/pluginfile.php/"):
                url = f"{base}/webservice{url.removeprefix(base)}"
        if site and site != self._base and url.startswith(f"{site}/"):
            return self._base + url.removeprefix(site)
        return url

    def owns(self, url: str) -> bool:
        """Tell whether an address is one of this site's, after `relocated`."""
        here, there = urlsplit(self._base), urlsplit(url)
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)


def _info(body: Any) -> SiteInfo:
    try:
        if not isinstance(body, dict):
            raise TypeError("an object was expected")
        functions = [item["name"] for item in body["functions"]]
        return SiteInfo(
            name=str(body.get("sitename") or ""),
            url=str(body["siteurl"]),
            release=str(body.get("release") or ""),
            version=str(body.get("version") or ""),
            user_id=str(body.get("userid") or ""),
            functions=frozenset(str(name) for name in functions),
            # Absent before downloads could be switched off.
            downloads=bool(body.get("downloadfiles", 1)),
        )
    except (KeyError, TypeError) as error:
        raise MalformedAnswer("the site does not describe itself as a Moodle does", where=INFO) from error


def flat(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Write nested arguments in PHP's brackets: `options[0][name]=x`. What is None or empty is left out."""
    for name, value in arguments.items():
        yield from _flat(name, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}[{key}]", inner)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _flat(f"{name}[{place}]", inner)
    elif isinstance(value, bool):
        yield name, "1" if value else "0"  # Moodle refuses `true`
    elif value is not None:
        yield name, str(value)
