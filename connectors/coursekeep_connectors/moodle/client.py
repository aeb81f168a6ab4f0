"""How Moodle speaks: everything is a POST, errors come with status 200, and so do refused files.

What an error means is told by `errorcode`, never by class or message: classes were renamed, messages are translated.
Four things look alike as `accessexception` (an expired token, a foreign address, a disabled service, a function that
the service lacks), so that one is told apart by a second question: see `calls`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import SecretStr

from coursekeep import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
    Unavailable,
    retry_after,
    standard_error,
)

__all__ = ["AccessRefused", "MoodleDialect", "OutcomeError", "ServerFault"]

_FIX_ACCOUNT = {
    "invalidtoken": "the token is unknown; make a new one in Moodle and put it into the settings",
    "wsaccessusersuspended": "the service account is suspended; activate it",
    "wsaccessuserunconfirmed": "the service account is not confirmed; confirm it",
    "usernotconfirmed": "the service account is not confirmed; confirm it",
    "wsaccessuserexpired": "the password of the service account has expired; set a new one",
    "passwordisexpired": "the password of the service account has expired; set a new one",
    "wsaccessusernologin": "the service account's authentication is `nologin`; change it to `webservice`",
    "wsaccessuserdeleted": "the service account was deleted; make a new one with a token",
    "forcepasswordchangenotice": "the service account must change its password first; sign in as it",
    "usernotfullysetup": "the profile of the service account is incomplete; sign in as it and fill it in",
    "sitepolicynotagreed": "the service account has not agreed to the site policy; sign in as it and agree",
    "enablewsdescription": "web services are switched off in Moodle; switch them on",
}
_NOT_FOUND = frozenset(
    {"invalidrecord", "invalidrecordunknown", "invalidcourseid", "invalidcoursemodule", "invaliduser", "filenotfound"}
)
_NO_ACCESS = frozenset(
    {
        "errorcoursecontextnotvalid", "errorcatcontextnotvalid", "requireloginerror", "nopermissions", "nopermission",
        "restrictedcontextexception", "notingroup", "nopermissiontoviewgrades", "cannotviewreport", "accessdenied",
        "cannotaccess", "coursehidden", "notenrolled", "cannotviewprofile", "usernotincourse",
    }
)  # fmt: skip
_LATER = frozenset({"sitemaintenance", "upgraderunning", "dbconnectionfailed", "serverconnection", "maintenance"})
#: faults of the server itself: asked again, and then a gap, where the site is well otherwise
_FAULTS = frozenset(
    {
        "codingerror",
        "dmlreadexception",
        "dmlwriteexception",
        "ddlexecuteerror",
        "generalexceptionmessage",
        "unknownerror",
    }
)
#: ordinary outcomes that are told as errors: the caller knows what they mean
_OUTCOMES = frozenset(
    {
        "nocriteriaset",
        "usernotenroled",
        "userdeleted",
        "attemptclosed",
        "noreview",
        "noreviewattempt",
        "competenciesarenotenabled",
    }
)


class AccessRefused(NoAccess):
    """Moodle's `accessexception`, which may mean the token, the service or this function alone."""


class ServerFault(RetryLater):
    """A fault of the server in this one function, such as an error of its database."""


class OutcomeError(MalformedAnswer):
    """An ordinary outcome that Moodle tells as an error; `code` is its own word."""

    def __init__(self, message: str, *, code: str, where: str | None = None) -> None:
        super().__init__(message, where=where)
        self.code = code


class MoodleDialect:
    """Moodle's dialect: the token in the body of every request, and nowhere else."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def authorization(self) -> Mapping[str, str]:
        """Return nothing: Moodle ignores the header, and the token is in the body."""
        return {}

    def form(self, function: str) -> list[tuple[str, str]]:
        """Return the fields that every call of a function needs.

        Raw text, without filters: what was written, not how it would look today. Addresses of files are completed.
        """
        return [
            ("wstoken", self._secret()),
            ("wsfunction", function),
            ("moodlewsrestformat", "json"),
            ("moodlewssettingraw", "1"),
            ("moodlewssettingfileurl", "1"),
            ("moodlewssettingfilter", "0"),
        ]

    def file_form(self) -> Mapping[str, str]:
        """Return the token as a field: downloads are POSTs too, so that it is in no address and no access log."""
        return {"token": self._secret()}

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer by its content; the status says something only where there is no JSON."""
        status = response.status_code
        found = _said(response.content)
        if found is not None:
            return _meaning(found, where, status)
        if status == 403 and not response.content.strip():
            advice = "switch it on under Site administration, Server, Web services, Manage protocols"
            return CredentialsNeeded(f"Moodle's REST protocol is switched off; {advice}", where=where, status=status)
        if status == 503:
            after = retry_after(response)
            return RetryLater("Moodle is under maintenance or overloaded", where=where, status=status, after=after)
        return standard_error(response, where)

    def file_error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge JSON or HTML that came as a file. A stored file has an ETag, its SHA-1; a refusal has none."""
        if "etag" in response.headers:
            return None
        found = _said(response.content)
        if found is not None:
            return _meaning(found, where, response.status_code)
        if b"logintoken" in response.content and b"<form" in response.content:
            return NoAccess("Moodle's log-in page came instead of the file", where=where)
        return None

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Return nothing: functions have pages of their own kinds."""
        return None

    def headroom(self, response: httpx.Response) -> float | None:
        """Return nothing: Moodle does not throttle."""
        return None

    def _secret(self) -> str:
        return self._token.get_secret_value().strip()


def _said(content: bytes) -> dict[str, Any] | None:
    """Return the error in a body, in either of Moodle's shapes; None where it is none."""
    if content.lstrip()[:1] != b"{" or b'"errorcode"' not in content:
        return None
    try:
        body = json.loads(content)
    except ValueError:
        return None
    if not isinstance(body, dict) or "errorcode" not in body or not ("exception" in body or "error" in body):
        return None
    return body


def _meaning(said: Mapping[str, Any], where: str, status: int) -> ConnectorError:
    """Say what an error means. Messages of Moodle's may hold names, so only the code is repeated."""
    code = str(said.get("errorcode"))
    about = f"{said.get('exception')} {said.get('message')} {said.get('debuginfo')}"
    if code in _FIX_ACCOUNT:
        return CredentialsNeeded(f"Moodle refuses the account: {_FIX_ACCOUNT[code]}", where=where, status=status)
    if code == "accessexception":
        return AccessRefused("Moodle refuses access without a reason", where=where, status=status)
    if code == "invalidrecord" and "external_functions" in about:
        return Unavailable("this Moodle has no such function", where=where, status=status)
    if code in _NOT_FOUND:
        return NotFound("Moodle says that this does not exist", where=where, status=status)
    if code in _NO_ACCESS or "required_capability_exception" in about or "require_login_exception" in about:
        return NoAccess(f"Moodle does not permit this ({code})", where=where, status=status)
    if code in _LATER:
        return RetryLater(f"Moodle cannot answer now ({code})", where=where, status=status)
    if code == "codingerror" and "invaliduser" in about:
        return OutcomeError("Moodle answered invaliduser", code="invaliduser", where=where)
    if code in _FAULTS or code.startswith("dml"):
        return ServerFault(f"Moodle failed with {code}", where=where, status=status)
    if code in _OUTCOMES:
        return OutcomeError(f"Moodle answered {code}", code=code, where=where)
    return MalformedAnswer(f"Moodle answered with the error {code}", where=where, status=status)
