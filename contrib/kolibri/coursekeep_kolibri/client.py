"""How Kolibri speaks to somebody who has signed in: a cookie, numbered pages, and strangers who get empty lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from coursekeep import ConnectorError, CredentialsNeeded, LmsClient, NoAccess, RetryPolicy, standard_error
from coursekeep_kolibri.session import Session, ends_session
from coursekeep_kolibri.settings import KolibriSettings

__all__ = ["KolibriDialect", "make_kolibri_client"]


class KolibriDialect:
    """The dialect of Kolibri's own API, with a session that is renewed."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def authorization(self) -> Mapping[str, str]:
        return self._session.headers()

    async def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """Make sure of a session, other than the one in these headers."""
        return await self._session.renew(refused)

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer; one that was given to a stranger is none, whatever its status."""
        if ends_session(response):
            message = "the session has ended; check that the user still exists, and that no proxy changes cookies"
            return CredentialsNeeded(message, where=where, status=response.status_code)
        error = standard_error(response, where)
        if isinstance(error, NoAccess):
            return NoAccess("the signed-in user may not read this", where=where, status=error.status)
        return error

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Return the page after this one, where the answer says that there are more."""
        if not isinstance(body, dict):
            return None
        page, pages = body.get("page"), body.get("total_pages")
        if not (isinstance(page, int) and isinstance(pages, int)) or page >= pages:
            return None
        return str(response.request.url.copy_set_param("page", str(page + 1)))

    def headroom(self, response: httpx.Response) -> float | None:
        """Return None: Kolibri does not say how much more may be asked."""
        return None


def make_kolibri_client(
    settings: KolibriSettings, session: Session, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy
) -> LmsClient:
    """Make the client that the settings describe. Raises `SettingsError`."""
    return LmsClient(
        settings.base_url,
        KolibriDialect(session),
        retry=retry,
        max_concurrency=settings.max_concurrency,
        timeout=settings.timeout,
        contact=settings.contact,
        transport=transport,
    )
