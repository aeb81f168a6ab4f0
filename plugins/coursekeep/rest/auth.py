"""How an LMS is told who asks: declarations that name the settings which hold the credentials."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

import httpx
from pydantic import Field, SecretStr

from coursekeep.connector import HttpSettings, SettingsModel
from coursekeep.dialect import BearerDialect, Dialect
from coursekeep.errors import DeclarationError
from coursekeep.oauth import ClientCredentials, ClientCredentialsDialect
from coursekeep.retry import RetryPolicy

__all__ = [
    "Auth",
    "BasicAuth",
    "BasicSettings",
    "BearerAuth",
    "ClientCredentialsAuth",
    "ClientCredentialsSettings",
    "HeaderAuth",
]


_HEADER = re.compile(r"[A-Za-z0-9-]+")


class Auth(Protocol):
    """A way to be known to an LMS. Implementations are values; they hold names of settings, never a secret."""

    def needs(self) -> Mapping[str, bool]:
        """Return the settings that are read, and whether each must be a `SecretStr`."""

    def dialect(
        self, settings: HttpSettings, *, retry: RetryPolicy, transport: httpx.AsyncBaseTransport | None
    ) -> Dialect:
        """Make the dialect that sends the credentials of these settings."""


@dataclass(frozen=True)
class BearerAuth:
    """``Authorization: Bearer TOKEN``."""

    #: the setting that holds the token
    token: str = "token"  # noqa: S105  # the name of a setting

    def needs(self) -> Mapping[str, bool]:
        return {self.token: True}

    def dialect(
        self, settings: HttpSettings, *, retry: RetryPolicy, transport: httpx.AsyncBaseTransport | None
    ) -> Dialect:
        return BearerDialect(_secret(settings, self.token))


@dataclass(frozen=True)
class HeaderAuth:
    """A header of the LMS's own: ``X-API-Key: KEY``."""

    header: str
    _: KW_ONLY
    #: the setting that holds the key
    token: str = "token"  # noqa: S105  # the name of a setting
    #: stands before the key: `Token `
    prefix: str = ""

    def __post_init__(self) -> None:
        if not _HEADER.fullmatch(self.header):
            raise DeclarationError(f"HeaderAuth: {self.header!r} is no name of a header; write it like 'X-API-Key'")

    def needs(self) -> Mapping[str, bool]:
        return {self.token: True}

    def dialect(
        self, settings: HttpSettings, *, retry: RetryPolicy, transport: httpx.AsyncBaseTransport | None
    ) -> Dialect:
        return _HeaderDialect(self.header, self.prefix, _secret(settings, self.token))


@dataclass(frozen=True, kw_only=True)
class BasicAuth:
    """User name and password (RFC 7617)."""

    user: str = "user"
    password: str = "password"  # noqa: S105  # the name of a setting

    def needs(self) -> Mapping[str, bool]:
        return {self.user: False, self.password: True}

    def dialect(
        self, settings: HttpSettings, *, retry: RetryPolicy, transport: httpx.AsyncBaseTransport | None
    ) -> Dialect:
        return _BasicDialect(str(getattr(settings, self.user)), _secret(settings, self.password))


@dataclass(frozen=True, kw_only=True)
class ClientCredentialsAuth:
    """The client credentials grant of OAuth2, as `coursekeep.ClientCredentials` does it."""

    #: path of the token endpoint below `base_url`; None where a setting names its address
    token_path: str | None = None
    token_url: str = "token_url"  # noqa: S105  # the name of a setting
    client_id: str = "client_id"
    client_secret: str = "client_secret"  # noqa: S105  # the name of a setting
    scopes: Sequence[str] = ()

    def needs(self) -> Mapping[str, bool]:
        address = {self.token_url: False} if self.token_path is None else {}
        return {**address, self.client_id: False, self.client_secret: True}

    def dialect(
        self, settings: HttpSettings, *, retry: RetryPolicy, transport: httpx.AsyncBaseTransport | None
    ) -> Dialect:
        if self.token_path is None:
            address = str(getattr(settings, self.token_url))
        else:
            address = f"{settings.base_url.rstrip('/')}/{self.token_path.lstrip('/')}"
        tokens = ClientCredentials(
            address,
            str(getattr(settings, self.client_id)),
            _secret(settings, self.client_secret),
            scopes=self.scopes,
            retry=retry,
            transport=transport,
            timeout=settings.timeout,
        )
        return ClientCredentialsDialect(tokens)


class BasicSettings(HttpSettings):
    """Settings of a connector whose LMS takes a user name and a password."""

    user: str = Field(title="User name", description="Name of an account made for Coursekeep.", min_length=1)
    password: SecretStr = Field(title="Password", description="Password of that account.")


class ClientCredentialsSettings(HttpSettings):
    """Settings of a connector whose LMS takes OAuth2 client credentials."""

    client_id: str = Field(title="Client id", description="OAuth2 client id made for Coursekeep.", min_length=1)
    client_secret: SecretStr = Field(title="Client secret", description="OAuth2 client secret.")
    token_url: str = Field(
        title="Token address",
        description="OAuth2 token endpoint; the client secret is sent to this host and no other.",
        pattern="^https?://",
    )


class _HeaderDialect(BearerDialect):
    def __init__(self, header: str, prefix: str, key: SecretStr) -> None:
        super().__init__(key)
        self._header = header
        self._prefix = prefix

    def authorization(self) -> Mapping[str, str]:
        return {self._header: f"{self._prefix}{self._token.get_secret_value().strip()}"}


class _BasicDialect(BearerDialect):
    def __init__(self, user: str, password: SecretStr) -> None:
        super().__init__(password)
        self._user = user

    def authorization(self) -> Mapping[str, str]:
        auth = httpx.BasicAuth(self._user, self._token.get_secret_value())
        request = next(auth.sync_auth_flow(httpx.Request("GET", "http://localhost")))
        return {"Authorization": request.headers["Authorization"]}


def _secret(settings: SettingsModel, name: str) -> SecretStr:
    value = getattr(settings, name)
    if not isinstance(value, SecretStr):
        raise TypeError(f"the setting {name} is no SecretStr")
    return value
