"""OAuth2 for connectors: tokens that are fetched when needed, kept until shortly before they expire, and never shown.

::

    tokens = ClientCredentials(token_url, client_id, client_secret, scopes=(...), retry=retry, transport=transport)
    client = LmsClient(base_url, OAuthDialect(tokens), retry=retry, transport=transport)

A dialect that has such a flow says so by `RenewingDialect`: `LmsClient` then awaits it before a request is sent, and
once more after the LMS has refused a token that may have been revoked or forgotten meanwhile. The other flow, with a
refresh token, is `coursekeep.refresh`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import httpx
from pydantic import SecretStr

from coursekeep.dialect import BearerDialect
from coursekeep.errors import CredentialsNeeded
from coursekeep.retry import RetryPolicy
from coursekeep.token_endpoint import TokenEndpoint, grant_of

__all__ = ["ClientCredentials", "ClientCredentialsDialect", "OAuthDialect", "TokenFlow"]


class TokenFlow(Protocol):
    """Where access tokens come from: what `OAuthDialect` asks of a flow."""

    def token(self) -> SecretStr:
        """Return the token. Raises `CredentialsNeeded` where none has been fetched."""

    async def renew(self, refused: str | None = None) -> bool:
        """Fetch a token where there is none, or only one that is about to expire; `refused` is one not to use again.

        Returns whether there is a token other than `refused`. Raises `CredentialsNeeded` where an operator must act.
        """

    async def settle(self) -> None:
        """Wait for what must not be cut off. Raises nothing."""

    async def ends(self) -> datetime | None:
        """Return when the credentials end for good, so that an operator must act; None where nobody has said so."""


class ClientCredentials:
    """The client credentials grant (RFC 6749, 4.4) with HTTP Basic authentication.

    One token at a time, shared by all requests; whoever comes while it is being fetched waits for it. The secret goes
    to the token endpoint's own origin and nowhere else: a redirect to another host raises `ForeignHost`.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: SecretStr,
        *,
        scopes: Sequence[str] = (),
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what the token endpoint wants. `transport` is for tests that answer themselves; its owner closes it.

        Raises `SettingsError` for an address that is none, or that would carry the secret in clear text.
        """
        self._endpoint = TokenEndpoint(
            token_url, client_id, client_secret, retry=retry, transport=transport, timeout=timeout
        )
        self._scopes = tuple(scopes)
        self._now = now
        self._lock = asyncio.Lock()
        self._token: SecretStr | None = None
        self._until = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint.path!r})"

    def token(self) -> SecretStr:
        """Return the token. Raises `CredentialsNeeded` where none has been fetched."""
        if self._token is None:
            raise CredentialsNeeded("no token has been fetched yet")
        return self._token

    async def renew(self, refused: str | None = None) -> bool:
        """Fetch a token where there is none, or only one that is about to expire; `refused` is one not to use again.

        Returns whether there is a token other than `refused`. Raises `CredentialsNeeded` where the endpoint does not
        accept the client, else as `LmsClient.post`.
        """
        async with self._lock:
            known = None if self._token is None else self._token.get_secret_value()
            if known is None or known == refused or self._now() >= self._until:
                await self._fetch()
            return self._token is not None and self._token.get_secret_value() != refused

    async def settle(self) -> None:
        """Return at once: a token whose answer was lost is asked for again."""

    async def ends(self) -> datetime | None:
        """Return None: nothing tells when a client's secret ends."""
        return None

    async def _fetch(self) -> None:
        form: dict[str, str] = {"grant_type": "client_credentials"}
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        self._until = 0.0  # it is fetched anew, this time or the next; what is under way goes on with the old one
        asked = self._now()
        # Asking for a token twice does no harm, so that a broken connection is no reason to give up.
        grant = grant_of(*await self._endpoint.ask(form, repeatable=True))
        self._token = grant.token
        self._until = asked + grant.use_for


class OAuthDialect(BearerDialect):
    """A bearer dialect whose token comes from a flow: `ClientCredentials` or `RefreshToken`.

    Subclass it where an LMS differs.
    """

    def __init__(self, tokens: TokenFlow) -> None:
        super().__init__(SecretStr(""))
        self._tokens = tokens

    def authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._tokens.token().get_secret_value()}"}

    async def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """Make sure of a token, other than the one in these headers."""
        said = (refused or {}).get("Authorization")
        return await self._tokens.renew(None if said is None else said.removeprefix("Bearer "))

    async def settle(self) -> None:
        """Wait for a renewal that must not be cut off."""
        await self._tokens.settle()

    async def ends(self) -> datetime | None:
        """Return when the credentials end for good, where the token endpoint has said so."""
        return await self._tokens.ends()


class ClientCredentialsDialect(OAuthDialect):
    """A bearer dialect whose token comes from `ClientCredentials`."""
