"""The token endpoint of Canvas's developer keys, `POST /login/oauth2/token`: access tokens for a refresh token."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from coursekeep_campus.replies import ApiError, Reply, dump
from coursekeep_campus.tokens import Tokens

__all__ = ["OAuth"]


class OAuth:
    """Hands out access tokens, as Canvas or `rotating`: then a refresh token is good once, and the answer has the next.

    A rotating endpoint that sees a spent refresh token again takes it for stolen, and revokes all that came of it.
    """

    client_id = "10000000000042"
    client_secret = "campus-developer-key-made-up"  # noqa: S105  # there is nothing behind it

    def __init__(self, tokens: Tokens, *, rotating: bool, lasts: int, refresh_lasts: int | None) -> None:
        self._tokens = tokens
        self._rotating = rotating
        self._lasts = lasts
        self._refresh_lasts = refresh_lasts
        self._numbers = itertools.count(1)
        self._good: set[str] = set()
        self._spent: set[str] = set()
        self._access: list[str] = []
        #: how often an access token was given, and how often a spent refresh token came again
        self.given = self.replayed = 0
        self.refresh_token = self.authorize()

    def authorize(self) -> str:
        """Return a new refresh token, as a log-in with the developer key gives one."""
        self.refresh_token = self._next("refresh")
        self._good.add(self.refresh_token)
        return self.refresh_token

    def forget(self) -> None:
        """Refuse the access tokens given so far as expired."""
        for token in self._access:
            self._tokens.refuse(token, "Expired")

    def answer(self, form: Sequence[tuple[str, str]]) -> Reply:
        """Answer a request for a token. Raises `ApiError`."""
        asked = dict(form)
        if (asked.get("client_id"), asked.get("client_secret")) != (self.client_id, self.client_secret):
            raise ApiError(401, {"error": "invalid_client", "error_description": "unknown client"})
        if asked.get("grant_type") != "refresh_token":
            raise ApiError(400, {"error": "unsupported_grant_type", "error_description": "unsupported grant_type"})
        token = asked.get("refresh_token", "")
        if token in self._spent:
            self._revoke()
        if token not in self._good:
            code = "invalid_grant" if self._rotating else "invalid_request"
            raise ApiError(400, {"error": code, "error_description": "refresh_token not found"})
        return self._grant(token)

    def _grant(self, token: str) -> Reply:
        access = self._next("access")
        self._tokens.issue(access)
        self._access.append(access)
        self.given += 1
        body = {"access_token": access, "token_type": "Bearer", "user": {"id": 1}, "expires_in": self._lasts}
        if self._rotating:
            self._good.discard(token)
            self._spent.add(token)
            body["refresh_token"] = self.authorize()
        if self._refresh_lasts is not None:
            body["refresh_token_expires_in"] = self._refresh_lasts
        return Reply(dump(body))

    def _revoke(self) -> None:
        self.replayed += 1
        self._good.clear()
        for token in self._access:
            self._tokens.refuse(token, "Revoked")

    def _next(self, kind: str) -> str:
        return f"campus~oauth~{kind}~{next(self._numbers)}~made-up"
