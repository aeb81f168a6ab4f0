"""What the control API answers and takes about users and what they did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr

from coursekeep_daemon.api.models import Answer, Request, Time
from coursekeep_daemon.api.security import Scope
from coursekeep_daemon.store import Role

__all__ = ["AuditEvent", "Me", "NewUser", "User", "UserChange"]


class Me(Answer):
    """Who calls, and what the call may do."""

    name: str = Field(description="Name of the user.")
    role: Role
    scope: Scope = Field(description="What this token may do: the lesser of its own scope and the user's role.")
    token: str | None = Field(None, description="Name of the token.")


class User(Answer):
    """Someone who may use Coursekeep: a person, or a program that has tokens."""

    name: str
    role: Role
    signs_in_with: Literal["password", "openid", "tokens"] = Field(
        description="How the account proves who it is; `tokens` alone for a program."
    )
    created_at: Time
    disabled_at: Time | None = Field(None, description="Null while the account may be used.")
    last_signed_in_at: Time | None = None


class NewUser(Request):
    """A user to add."""

    name: str = Field(min_length=1, max_length=100, description="Unique, whatever the case.")
    role: Role
    password: SecretStr | None = Field(None, description="Without one the account can only have tokens.")


class UserChange(Request):
    """The fields of a user that change; those left out stay."""

    role: Role | None = None
    disabled: bool | None = Field(None, description="True ends its sessions and stops its tokens at once.")
    password: SecretStr | None = Field(None, description="A new password, which ends its sessions.")


class AuditEvent(Answer):
    """Who did what, when, with what result."""

    id: int
    at: Time
    who: str = Field(description="Name of a user, `cli`, or `schedule:NAME`; empty where nobody is known.")
    action: str
    target: str
    result: str = Field(description="done, refused or failed.")
    detail: Mapping[str, Any]
