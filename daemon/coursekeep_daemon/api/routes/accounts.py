"""Users, and the audit: who may, and who did."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, Field, SecretStr

from coursekeep_daemon.api import models_accounts as models
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing, Paging, listing
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Admin, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import User

__all__ = ["known_user", "router"]

router = APIRouter(tags=["accounts"])


class AuditFilter(Paging):
    """Which audit events to list."""

    who: str | None = Field(None, description="Only what this user did.")
    action: str | None = Field(None, description="Only this action, for example `run.pause`.")
    target: str | None = Field(None, description="Only what was done to this, for example `run 7`.")
    since: AwareDatetime | None = Field(None, description="From this moment on.")
    before: AwareDatetime | None = Field(None, description="Before this moment.")


@router.get("/me", summary="Show who calls")
async def show_me(service: Daemon, caller: Reader) -> models.Me:
    """Show whose token this is, and what it may do."""
    user = await known_user(service, caller.name)
    return models.Me(name=user.name, role=user.role, scope=caller.scope, token=caller.token)


@router.get("/users", summary="List users")
async def list_users(service: Daemon, caller: Admin) -> Listing[models.User]:
    """List all users by name, disabled ones too."""
    return Listing(items=[models.User.model_validate(each) for each in await service.store.users()])


@router.post("/users", status_code=201, summary="Add a user")
async def add_user(new: models.NewUser, service: Daemon, caller: Admin) -> models.User:
    """Add a user, who without a password can only have tokens."""
    # a name that cannot be one may be a slip: it is not written down before it is checked
    async with caller.audited("user.add", "", role=new.role) as entry:
        with domain_errors():
            made = await service.accounts.add(new.name, new.role, _plain(new.password))
        entry.target = made.name
    return models.User.model_validate(made)


@router.patch("/users/{name}", summary="Change a user")
async def change_user(name: str, new: models.UserChange, service: Daemon, caller: Admin) -> models.User:
    """Change role or password of a user, or disable or enable the account. 409 for the last administrator."""
    fields = sorted(field for field in new.model_fields_set if getattr(new, field) is not None)
    if not fields:
        raise Problem(422, "invalid", "The body names no field to change.")
    user = await known_user(service, name)
    said = {field: getattr(new, field) for field in fields if field != "password"}
    async with caller.audited("user.change", user.name, fields=fields, **said):
        with domain_errors():
            changed = await service.accounts.change(
                user, role=new.role, disabled=new.disabled, password=_plain(new.password)
            )
    return models.User.model_validate(changed)


@router.get("/audit", summary="List audit events")
async def list_audit(
    request: Request, response: Response, service: Daemon, caller: Reader, asked: Annotated[AuditFilter, Query()]
) -> Listing[models.AuditEvent]:
    """List who did what, newest first."""
    with domain_errors():
        part = await service.store.audit_events(**asked.model_dump())
    return listing(request, response, part, models.AuditEvent.model_validate)


async def known_user(service: Service, name: str) -> User:
    """Return a user by name; 404 where there is none."""
    found = await service.store.user(name)
    if found is None:
        raise Problem(404, "not-found", f"There is no user {name!r}. GET /api/v1/users lists all.")
    return found


def _plain(password: SecretStr | None) -> str | None:
    return None if password is None else password.get_secret_value()
