"""Users: who may use Coursekeep and in what role, for administrators."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.fields import by_field, typed_twice
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import Administrator
from coursekeep_daemon.console.words import ROLES
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import ApiToken, Role, User

__all__ = ["router"]

router = APIRouter()


@router.get("/users")
async def users(request: Request, service: Daemon, visit: Administrator) -> Response:
    """List all users."""
    return page(request, "users.html", users=await service.store.users())


@router.get("/users/new")
async def new_user(request: Request, visit: Administrator) -> Response:
    """Show the form for a new user."""
    return _form(request, {}, {})


@router.post("/users/new")
async def add_user(request: Request, service: Daemon, visit: Administrator) -> Response:
    """Add a user with a password, or one for a program; what is wrong stands beside its field."""
    typed = {field: str(visit.form.get(field, "")) for field in ("name", "role", "kind")}
    password = str(visit.form.get("password", "")) if typed["kind"] != "program" else None
    role = _role(typed["role"])
    try:
        async with visit.audited("user.add", "", role=role) as entry:
            with domain_errors():
                made = await service.accounts.add(typed["name"], role, typed_twice(visit, password))
            entry.target = made.name
    except Problem as problem:
        return _form(request, typed, by_field(problem, conflict="name"))
    return see_other(request, f"/users/{made.id}", f"{made.name} is added.")


@router.get("/users/{user_id}")
async def user_page(user_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Show one user, with what can be changed."""
    return await _page(request, service, await _known(service, user_id), {})


@router.post("/users/{user_id}/role")
async def set_role(user_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Change a user's role."""
    user, role = await _known(service, user_id), _role(str(visit.form.get("role", "")))
    async with visit.audited("user.role", user.name, role=role):
        with domain_errors():
            await service.accounts.change(user, role=role)
    return see_other(request, f"/users/{user.id}", f"{user.name} is {ROLES[role].name.lower()} now.")


@router.post("/users/{user_id}/disable")
async def disable(user_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Let a user in no more."""
    user = await _known(service, user_id)
    async with visit.audited("user.disable", user.name):
        with domain_errors():
            await service.accounts.change(user, disabled=True)
    return see_other(request, f"/users/{user.id}", f"{user.name} is disabled and signed out; its tokens are refused.")


@router.post("/users/{user_id}/enable")
async def enable(user_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Let a disabled user in again."""
    user = await _known(service, user_id)
    async with visit.audited("user.enable", user.name):
        with domain_errors():
            await service.accounts.change(user, disabled=False)
    return see_other(request, f"/users/{user.id}", f"{user.name} may sign in again.")


@router.post("/users/{user_id}/password")
async def set_password(user_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Give a user another password, and end the user's sessions."""
    user = await _known(service, user_id)
    try:
        async with visit.audited("user.password", user.name):
            with domain_errors():
                password = typed_twice(visit, str(visit.form.get("password", "")))
                await service.accounts.change(user, password=password)
    except Problem as problem:
        return await _page(request, service, user, by_field(problem))
    return see_other(request, f"/users/{user.id}", f"{user.name} has a new password, and is signed out everywhere.")


@router.post("/users/{user_id}/sign-out")
async def sign_out_everywhere(user_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """End all sessions of a user."""
    user = await _known(service, user_id)
    async with visit.audited("user.sign_out", user.name):
        ended = await service.store.end_sessions(user.id)
    return see_other(request, f"/users/{user.id}", f"{user.name} is signed out of {ended} browsers.")


@router.post("/users/{user_id}/tokens/{token_id}/revoke")
async def revoke_token(
    user_id: int, token_id: int, request: Request, service: Daemon, visit: Administrator
) -> Response:
    """Revoke a token of a user for good."""
    user = await _known(service, user_id)
    token = next((each for each in await _tokens(service, user) if each.id == token_id), None)
    if token is None:
        raise Problem(404, "not-found", f"{user.name} has no such token.")
    async with visit.audited("token.revoke", token.name, user=user.name):
        await service.store.revoke_token(token.name, user_id=user.id)
    return see_other(request, f"/users/{user.id}", f"The token {token.name} is revoked.")


def _form(request: Request, typed: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    return page(request, "user_new.html", 422 if errors else 200, typed=typed, errors=errors)


async def _page(request: Request, service: Service, user: User, errors: Mapping[str, str]) -> Response:
    return page(
        request,
        "user.html",
        422 if errors else 200,
        user=user,
        errors=errors,
        sessions=await service.store.sessions(user.id),
        tokens=await _tokens(service, user),
    )


async def _tokens(service: Service, user: User) -> list[ApiToken]:
    return [each for each in await service.store.tokens(user.id) if each.revoked_at is None]


async def _known(service: Service, user_id: int) -> User:
    found = await service.store.user_by_id(user_id)
    if found is None:
        raise Problem(404, "not-found", "There is no such user.")
    return found


def _role(word: str) -> Role:
    try:
        return Role(word)
    except ValueError:
        raise Problem(422, "invalid", f"A role is one of {', '.join(Role)}, not {word!r}.") from None
