"""The refresh token grant of OAuth2, for LMSs that hand out a refresh token once and access tokens by the hour.

::

    tokens = RefreshToken(
        token_url, settings.refresh_token, client_id=..., client_secret=..., keeper=settings.token_keeper(), retry=retry
    )
    client = LmsClient(base_url, OAuthDialect(tokens), retry=retry)

Many servers let a refresh token be used once, and answer with the next one. It must not be lost, and nobody may use
the old one again: a server that notices revokes both (RFC 9700, 4.14.2). So each renewal goes:

1. keep everybody else out, in this process and in others;
2. note that a renewal begins, which also shows that the next token can be written before the old one is spent;
3. ask;
4. write the next refresh token, before anything else is done with the answer;
5. let others in, and only then use the access token.

A process that dies between the server's answer and step 4 loses the token, whatever one does. The note of step 2 then
tells the operator why the token of the settings, or the kept one, is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import SecretStr

from coursekeep.errors import ConnectorError, CredentialsNeeded
from coursekeep.keeping import KeptToken, TokenKeeper, digest_of
from coursekeep.retry import RetryPolicy
from coursekeep.token_endpoint import ClientAuth, Grant, Refused, TokenEndpoint, grant_of, refresh_token_of

__all__ = ["RefreshToken"]

#: seconds that a client which closes waits for a renewal that has begun
_SETTLE = 10.0
#: the endpoint's words for a fault of the client rather than of the refresh token
_OF_CLIENT = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope"})


def _now() -> datetime:
    return datetime.now(UTC)


class RefreshToken:
    """The refresh token grant (RFC 6749, 6), with refresh tokens that may be used any number of times, or once.

    The token of the settings is where it begins. A newer one that the endpoint has given is kept by `keeper`, and used
    from then on, until the settings hold another token than the one it descends from.
    """

    def __init__(
        self,
        token_url: str,
        refresh_token: SecretStr,
        *,
        client_id: str,
        client_secret: SecretStr | None = None,
        client_auth: ClientAuth = ClientAuth.BASIC,
        keeper: TokenKeeper,
        scopes: Sequence[str] = (),
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 60.0,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        """Take what the token endpoint wants, and who keeps its refresh tokens: `SettingsModel.token_keeper`.

        Raises `SettingsError` for an address that is none, or that would carry secrets in clear text.
        """
        self._endpoint = TokenEndpoint(
            token_url, client_id, client_secret, auth=client_auth, retry=retry, transport=transport, timeout=timeout
        )
        self._seed = refresh_token
        self._keeper = keeper
        self._scopes = tuple(scopes)
        self._now = now
        self._clock = clock
        self._lock = asyncio.Lock()
        self._renewal: asyncio.Task[None] | None = None
        #: what the endpoint gave and the keeper could not take yet
        self._unkept: KeptToken | None = None
        self._grant: Grant | None = None
        self._until = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._endpoint.path!r})"

    def token(self) -> SecretStr:
        """Return the access token. Raises `CredentialsNeeded` where none has been fetched."""
        if self._grant is None:
            raise CredentialsNeeded("no token has been fetched yet")
        return self._grant.token

    async def renew(self, refused: str | None = None) -> bool:
        """Fetch an access token where there is none, or only one about to expire; `refused` is one not to use again.

        Returns whether there is a token other than `refused`. Raises `CredentialsNeeded` where the endpoint does not
        accept the refresh token or the client, `RetryLater` where the next refresh token cannot be kept; else as
        `LmsClient.post`. Whoever waits may be cancelled; the renewal itself goes on to its end.
        """
        async with self._lock:
            if not self._good(refused):
                if self._renewal is None or self._renewal.done():
                    self._renewal = asyncio.create_task(self._renew())
                    self._renewal.add_done_callback(_noticed)
                await asyncio.shield(self._renewal)
            return self._grant is not None and self._grant.token.get_secret_value() != refused

    async def settle(self) -> None:
        """Wait for a renewal that has begun, for some seconds: to cut it off may lose the refresh token."""
        if self._renewal is not None and not self._renewal.done():
            await asyncio.wait([self._renewal], timeout=_SETTLE)

    async def ends(self) -> datetime | None:
        """Return when the refresh token ends, where the endpoint has said so."""
        kept = await self._keeper.load()
        return kept.ends_at if kept is not None and kept.seed == digest_of(self._seed) else None

    def _good(self, refused: str | None) -> bool:
        known = None if self._grant is None else self._grant.token.get_secret_value()
        return known is not None and known != refused and self._now() < self._until

    async def _renew(self) -> None:
        asked = self._now()
        async with self._keeper.alone():
            if self._unkept is not None:
                await self._keep(self._unkept)
            grant = await self._exchange()
        self._grant = grant
        self._until = asked + grant.use_for

    async def _exchange(self) -> Grant:
        """Spend the refresh token and keep the next one; what was kept stays where the endpoint refuses."""
        loaded = await self._keeper.load()
        seed = digest_of(self._seed)
        current = loaded if loaded is not None and loaded.seed == seed else KeptToken(seed=seed)
        before = loaded or current
        await self._keeper.save(replace(before, renewing_since=self._clock()))
        try:
            # Whoever needs the access token asks again; by then it is noted that this answer may be lost.
            body, where = await self._endpoint.ask(self._form(current), repeatable=False)
        except CredentialsNeeded as error:
            await self._keeper.save(before)
            raise _explained(error, current) from error
        await self._keep(self._next(current, body))
        return grant_of(body, where)

    def _form(self, current: KeptToken) -> dict[str, str]:
        token = current.token or self._seed
        form = {"grant_type": "refresh_token", "refresh_token": token.get_secret_value().strip()}
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        return form

    def _next(self, current: KeptToken, body: Any) -> KeptToken:
        token, lasts = refresh_token_of(body)
        ends_at = current.ends_at if token is None else None
        if lasts is not None:
            ends_at = self._clock() + timedelta(seconds=lasts)
        return KeptToken(seed=current.seed, token=token or current.token, ends_at=ends_at)

    async def _keep(self, kept: KeptToken) -> None:
        """Have a token kept. Where that fails it stays here, and is the first thing that is tried next time."""
        self._unkept = kept
        await self._keeper.save(kept)
        self._unkept = None


def _noticed(renewal: asyncio.Task[None]) -> None:
    """Look at the outcome: whoever waited for it may be gone."""
    if not renewal.cancelled():
        renewal.exception()


def _explained(error: CredentialsNeeded, current: KeptToken) -> ConnectorError:
    """Say what it means that the endpoint refused the refresh token, and what to do."""
    if not isinstance(error, Refused) or error.code in _OF_CLIENT:
        return error
    said = f" ({error.code})" if error.code else ""
    why = "it has ended, was revoked, or was used elsewhere"
    if current.renewing_since is not None:
        moment = current.renewing_since.isoformat(timespec="seconds")
        why = f"a renewal that began at {moment} was cut off, and the next token was probably lost with its answer"
    remedy = "have a new refresh token issued and put it into the settings in place of the old one"
    message = f"the token endpoint refused the refresh token{said}: {why}; {remedy}"
    return CredentialsNeeded(message, where=error.where, status=error.status)
