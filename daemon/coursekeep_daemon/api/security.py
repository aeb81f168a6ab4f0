"""Who calls, and what the caller may do: bearer tokens with a scope, and the record of every operator action."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import service_of
from coursekeep_daemon.store import Role

__all__ = ["Admin", "Caller", "Operator", "Reader", "Scope", "authorize"]


class Scope(StrEnum):
    """What a token allows; each includes those before it."""

    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"

    def includes(self, other: Scope) -> bool:
        """Tell whether this scope allows what the other does."""
        order = list(Scope)
        return order.index(self) >= order.index(other)

    @classmethod
    def of(cls, role: Role) -> Scope:
        """Return what a role allows."""
        return {Role.VIEWER: cls.READ, Role.OPERATOR: cls.OPERATE, Role.ADMINISTRATOR: cls.ADMIN}[role]


@dataclass(kw_only=True)
class Entry:
    """What an audit event will say; a route fills it in as it learns more."""

    target: str
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who stands behind a request, by a token or a session."""

    #: name of the user
    name: str
    scope: Scope
    request: Request
    #: what the user came with, for the audit: `token NAME`
    via: str
    #: name of the token, where it is one
    token: str | None = None
    #: asked by long answers, again and again: False once the token or session has ended
    still_allowed: Callable[[], Awaitable[bool]]

    @asynccontextmanager
    async def audited(self, action: str, target: str, **detail: Any) -> AsyncIterator[Entry]:
        """Write an audit event for what happens inside: `done`, `refused`, or `failed` where it broke."""
        entry = Entry(target=target, detail=dict(detail))
        result = "failed"
        try:
            yield entry
            result = "done"
        except Problem as problem:
            result = "refused" if problem.status < 500 else "failed"
            entry.detail["problem"] = problem.detail
            raise
        finally:
            await service_of(self.request).store.audit(
                self.name, action, entry.target, result, {**entry.detail, "via": self.via}
            )


_bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token from `coursekeep token create`.")


async def authorize(
    request: Request,
    needed: SecurityScopes,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """Return the caller, or answer 401 without a good token and 403 where its scope is not enough."""
    if credentials is None:
        raise _unauthorized("No bearer token came with the request. Send `Authorization: Bearer TOKEN`.", "")
    store, secret = service_of(request).store, credentials.credentials
    found = await store.token_for(secret)
    if found is None:
        detail = "The token is unknown or revoked. Make one with `coursekeep token create`."
        raise _unauthorized(detail, ', error="invalid_token"')
    token, user = found

    async def still_allowed() -> bool:
        return await store.token_for(secret) is not None

    scope = min(Scope(token.scope), Scope.of(user.role), key=list(Scope).index)
    caller = Caller(
        name=user.name,
        scope=scope,
        request=request,
        via=f"token {token.name}",
        token=token.name,
        still_allowed=still_allowed,
    )
    for needed_scope in needed.scopes:
        if not caller.scope.includes(Scope(needed_scope)):
            await _refuse(caller, needed_scope)
    return caller


def _unauthorized(detail: str, error: str) -> Problem:
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": f'Bearer realm="coursekeep"{error}'})


async def _refuse(caller: Caller, scope: str) -> None:
    request = caller.request
    if request.method != "GET":  # an attempt at an operator's action is worth remembering; a look is not
        await service_of(request).store.audit(
            caller.name,
            f"{request.method} {request.url.path}",
            "",
            "refused",
            {"needed": scope, "has": caller.scope, "via": caller.via},
        )
    raise Problem(
        403,
        "forbidden",
        f"This needs a token with scope `{scope}`; the {caller.via} of {caller.name!r} has `{caller.scope}`.",
        headers={"WWW-Authenticate": f'Bearer realm="coursekeep", error="insufficient_scope", scope="{scope}"'},
        extra={"needed_scope": scope},
    )


Reader = Annotated[Caller, Security(authorize, scopes=[Scope.READ.value])]
Operator = Annotated[Caller, Security(authorize, scopes=[Scope.OPERATE.value])]
Admin = Annotated[Caller, Security(authorize, scopes=[Scope.ADMIN.value])]
