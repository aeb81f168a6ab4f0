"""Where bytes come from: the LMS's own download address, the signed redirect, and the storage host behind it.

The storage host is another origin. It knows only its own signature, refuses whoever brings the LMS's token along, and
forgets an address after minutes.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote

from coursekeep_campus.call import Call
from coursekeep_campus.content import ORIGIN, Storage, StoredFile
from coursekeep_campus.replies import ApiError, Reply

__all__ = ["LOGIN_PAGE", "STORAGE", "Signer", "download", "login_page", "missing_page"]

#: stands for the address of the storage host
STORAGE = "@campus-storage@"

LOGIN_PAGE = (
    b"<!DOCTYPE html><html><head><title>Log In to the Campus</title></head><body>"
    b'<form action="/login/canvas" method="post"><input name="pseudonym_session[unique_id]">'
    b'<input type="password" name="pseudonym_session[password]"></form></body></html>'
)


class Signer:
    """Signs addresses of the storage host, and checks them. The key lives as long as the server."""

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self.seconds = seconds
        self._key = b"made-up key of a campus"

    def address(self, file: StoredFile) -> str:
        """Write a signed address of a file's bytes that is good for some time."""
        until = int((self._clock() + self.seconds) * 1000)
        name = quote(file.doc["display_name"], safe="")
        return f"{STORAGE}/files/{file.id}/{name}?download=1&token={until}.{self._sign(file.id, until)}"

    def check(self, file_id: int, token: str) -> bool:
        """Tell whether a token is for this file and still good."""
        until, _, signature = token.partition(".")
        if not until.isdecimal() or not hmac.compare_digest(signature, self._sign(file_id, int(until))):
            return False
        return int(until) >= self._clock() * 1000

    def _sign(self, file_id: int, until: int) -> str:
        return hmac.new(self._key, f"{file_id}.{until}".encode(), hashlib.sha256).hexdigest()[:40]


def download(call: Call) -> Reply:
    """Answer `/files/:id/download`: a redirect to storage, or to the log-in page, or a refusal.

    An address with a verifier is for requests without a token; one without a verifier needs the token.
    """
    _, file = call.state.directory.file(call.number("file"))
    verifier = call.value("verifier") or None
    if verifier is not None and call.authorized:
        raise ApiError(401, {"errors": [{"message": "Invalid access token."}]})
    if verifier is None and not call.authorized:
        return _to(f"{ORIGIN}/login")
    if verifier is not None and verifier != file.verifier:
        return _to(f"{ORIGIN}/login")
    if file.doc.get("locked_for_user"):
        raise call.no_right()
    if file.storage is Storage.LOGIN:
        return _to(f"{ORIGIN}/login")
    if file.hops > 1 and not call.flag("fd"):
        return _to(
            f"{ORIGIN}/files/{file.id}/download?download_frd=1&fd=1" + (f"&verifier={verifier}" if verifier else "")
        )
    return _to(call.state.signer.address(file))


def login_page() -> Reply:
    """Answer with a log-in page and status 200, as a lost session does."""
    return Reply(LOGIN_PAGE, content_type="text/html; charset=utf-8")


def missing_page() -> Reply:
    """Answer that the bytes are gone, in HTML."""
    body = b"<!DOCTYPE html><html><head><title>Page Not Found</title></head><body>Page Not Found</body></html>"
    return Reply(body, 404, content_type="text/html; charset=utf-8")


def _to(address: str) -> Reply:
    body = b'<html><body>You are being <a href="#">redirected</a>.</body></html>'
    return Reply(body, 302, {"location": address}, "text/html; charset=utf-8")
