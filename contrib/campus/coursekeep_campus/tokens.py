"""Who calls: the tokens of a campus and what each may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coursekeep_campus.replies import ApiError, rejected_token, unauthenticated

__all__ = ["Caller", "Tokens"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Whom a token belongs to. A scoped token reads accounts, terms and the course itself, nothing inside a course."""

    user_id: int
    name: str
    admin: bool = True
    scoped: bool = False
    #: the word with which the token is refused: Expired or Revoked
    refused: str | None = None


class Tokens:
    """The tokens that a campus knows, under the names admin, expired, revoked, scoped and teacher."""

    def __init__(self, seed: int = 1) -> None:
        admin = Caller(user_id=1, name="Archive Account")
        callers = {
            "admin": admin,
            "expired": replace(admin, refused="Expired"),
            "revoked": replace(admin, refused="Revoked"),
            "scoped": replace(admin, scoped=True),
            "teacher": Caller(user_id=2, name="Teacher 01", admin=False),
        }
        self.names = {name: f"campus~{seed}~{name}~made-up" for name in callers}
        self._callers = {self.names[name]: caller for name, caller in callers.items()}

    def caller(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Caller:
        """Find out who calls, from the Authorization header or the parameter `access_token`.

        Raises the answers to missing, unknown, expired and revoked tokens.
        """
        token = self.token(headers, query)
        if token is None:
            raise unauthenticated()
        caller = self._callers.get(token)
        if caller is None:
            raise rejected_token("Invalid")
        if caller.refused:
            raise rejected_token(caller.refused)
        return caller

    def issue(self, token: str, like: str = "admin") -> None:
        """Let a new token in, with the rights of the one of this name."""
        self._callers[token] = self._callers[self.names[like]]

    def refuse(self, token: str, word: str) -> None:
        """Refuse a token from now on: Expired or Revoked."""
        if token in self._callers:
            self._callers[token] = replace(self._callers[token], refused=word)

    @staticmethod
    def token(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
        """Return the token of a request; None where there is none."""
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and value.strip():
            return value.strip()
        return query.get("access_token") or None

    @staticmethod
    def expired() -> ApiError:
        """Make the answer to a token that expired just now."""
        return rejected_token("Expired")
