"""The contract of a connector: what an LMS must be able to tell.

A connector is a class that speaks to one kind of LMS. The framework makes one object per integration and uses it as an
asynchronous context manager. Connectors read; they never change an LMS, except to ask it for an export of a course.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, ClassVar, Generic, Self, TypeVar

import httpx
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationInfo, model_validator

from coursekeep.coverage import Coverage
from coursekeep.http import Download, LmsClient
from coursekeep.keeping import MemoryKeeper, TokenKeeper
from coursekeep.records import Account, CheckStep, Course, CourseQuery, NativeExport, Part, RemoteFile, Term
from coursekeep.redaction import Redaction
from coursekeep.retry import RetryPolicy

__all__ = ["Connector", "ConnectorSettings", "HttpSettings", "SettingsModel"]


class SettingsModel(BaseModel):
    """Base of every connector's settings. Forms, reference docs and log redaction are made from the model.

    Connectors over HTTP subclass `ConnectorSettings`, or `HttpSettings` where there is no token; this one is for those
    that ask nobody: a folder on a disk.
    Validators find the folder that relative paths start from as `info.context["folder"]`; there is none in tests.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    _keeper: TokenKeeper | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _take_keeper(self, info: ValidationInfo) -> Self:
        self._keeper = (info.context or {}).get("keeper")
        return self

    def token_keeper(self) -> TokenKeeper:
        """Return where the refresh token of these settings is kept between processes.

        Hand it to `RefreshToken`. In tests, where nobody has named such a place, it keeps until the process ends.
        """
        return self._keeper or MemoryKeeper()


class HttpSettings(SettingsModel):
    """Settings of a connector over HTTP, without any credentials: for an LMS that takes other ones than a token."""

    base_url: str = Field(
        title="Address", description="Address of the LMS, for example https://canvas.example.edu.", pattern="^https?://"
    )
    max_concurrency: int = Field(
        4, ge=1, le=256, title="Requests at once", description="Most requests in flight to this LMS at one time."
    )
    timeout: float = Field(
        60.0, gt=0, title="Time-out", description="Seconds without a byte after which a request counts as failed."
    )
    contact: str = Field(
        "", title="Contact", description="Mail or web address sent in the User-Agent, so that the LMS's staff can ask."
    )
    file_hosts: tuple[str, ...] = Field(
        (),
        title="File hosts",
        description="Hosts that files may be redirected to. Empty allows any host; credentials never go along.",
    )


class ConnectorSettings(HttpSettings):
    """Settings of a connector whose LMS takes a token. Subclass it as `HttpSettings`."""

    token: SecretStr = Field(title="Token", description="Access token of an account made for Coursekeep.")


S = TypeVar("S", bound=SettingsModel)


class Connector(ABC, Generic[S]):
    """Base of all connectors. Subclass it with its settings: `class Canvas(Connector[CanvasSettings])`."""

    #: name in settings.toml, lower case
    name: ClassVar[str]
    #: name for people
    title: ClassVar[str]
    Settings: ClassVar[type[SettingsModel]] = ConnectorSettings
    #: what never to keep, besides `coursekeep.redaction.ALWAYS`
    redactions: ClassVar[tuple[Redaction, ...]] = ()
    #: what becomes of every kind of content; more than one where several formats are read
    coverage: ClassVar[tuple[Coverage, ...]] = ()

    def __init__(
        self,
        settings: S,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        """Take settings, and for tests a transport and a policy that never sleeps. Opens no connection."""
        self.settings = settings
        self._client = self.make_client(transport=transport, retry=retry or RetryPolicy())

    @abstractmethod
    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient | None:
        """Make the client with this LMS's authentication, paging, throttling and reading of errors.

        Return None where nothing is asked over HTTP; then override `open` and `describe` too.
        """

    @property
    def over_http(self) -> bool:
        """Tell whether the connector has a client."""
        return self._client is not None

    @property
    def client(self) -> LmsClient:
        """The client that `make_client` made. Raises TypeError where it made none."""
        if self._client is None:
            raise TypeError(f"the connector {self.name} asks nobody over HTTP, and so has no client")
        return self._client

    async def __aenter__(self) -> Self:
        if self._client is not None:
            await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._client is not None:
            await self._client.__aexit__(*exc)

    @abstractmethod
    def check(self) -> AsyncIterator[CheckStep]:
        """Yield named steps: address reachable, credentials valid, account visible, permissions present.

        A failed step says what to do. Steps that make no sense after a failed one are left out. Raises nothing.
        """

    @abstractmethod
    def terms(self) -> AsyncIterator[Term]:
        """Yield all terms, without those the LMS counts as deleted.

        Raises `CredentialsNeeded`, `NoAccess`, `RetryLater`, `MalformedAnswer`.
        """

    async def accounts(self) -> AsyncIterator[Account]:
        """Yield the accounts in which courses of the integration may lie, in any order. None where the LMS has none.

        Asked only where a request has patterns such as `account:Faculty of Science`, which take whole branches.
        Raises as `terms`: a request that cannot be judged is not run.
        """
        nothing: tuple[Account, ...] = ()
        for account in nothing:
            yield account

    @abstractmethod
    def courses(self, query: CourseQuery) -> AsyncIterator[Course]:
        """Yield the courses for a query, each once, in a stable order.

        Raises as `terms`; `NotFound` where a term or account of the query does not exist.
        """

    @abstractmethod
    async def course(self, course_id: str) -> Course | None:
        """Return one course by LMS id, or by SIS id with the prefix `sis:`; None where it does not exist.

        Raises `NoAccess` where it exists but may not be read; else as `terms`.
        """

    @abstractmethod
    def export(self, course: Course) -> AsyncIterator[Part]:
        """Yield every part of the course, in any order, streaming: never a whole course in memory.

        What cannot be captured is a `Gap`, not an exception. Raises `NotFound` where the course vanished meanwhile,
        `NoAccess` where the course as a whole may not be read, `CredentialsNeeded`, `RetryLater` where the LMS
        cannot answer now (the whole export is repeated later), `MalformedAnswer` where even the course makes no sense.
        """

    def open(self, file: RemoteFile | NativeExport) -> AbstractAsyncContextManager[Download]:
        """Open the bytes of a file that `export` has named; by default with a GET of its address.

        Override it where the bytes come from elsewhere. Blocks of about 1 MiB serve best; nothing may be held back
        when the context ends. Each call begins with the first byte.
        Raises, also while the bytes are read, what `LmsClient.download` raises: `RetryLater` where the same call may
        work later, `NotFound` and `NoAccess` for this file alone, `MalformedAnswer` where its bytes make no sense.
        """
        return self.client.download(file.url, auth=file.auth)

    async def refresh_file(self, file: RemoteFile) -> RemoteFile | None:
        """Return the file with a fresh address where the old one has expired; None where there is no other."""
        return None

    async def credentials_end(self) -> datetime | None:
        """Return when the credentials end for good, so that an operator must act; None where nothing tells.

        By default what the dialect knows: a token that is a JWT names its end, and some token endpoints name that of
        a refresh token. Asks nobody. Raises `ConnectorError` where what is kept of them cannot be read.
        """
        return None if self._client is None else await self._client.credentials_end()

    def describe(self) -> dict[str, Any]:
        """Return what identifies the source in packages: connector and address, without secrets."""
        return {"connector": self.name, "base_url": getattr(self.settings, "base_url", "")}
