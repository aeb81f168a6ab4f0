"""Errors as pages: what happened, and where to go from there."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import SignInNeeded, local_path

__all__ = ["install_error_pages"]

_TITLES: Mapping[int, str] = {
    400: "That address does not work",
    403: "You may not do this",
    404: "There is nothing here",
    405: "That address does not work",
    409: "That is not possible now",
    413: "That is too large",
    422: "Something cannot be used",
    429: "Too many attempts",
    502: "The LMS did not do its part",
    503: "Coursekeep cannot do that now",
}


def install_error_pages(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Make every error of the console a page. `headers` go with the answer to an unforeseen error, as in the API."""
    log = structlog.get_logger("coursekeep.console")

    async def on_sign_in_needed(request: Request, error: Exception) -> Response:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        wanted = wanted if request.method == "GET" else _page_before(request)
        return see_other(request, "/sign-in" if wanted == "/" else f"/sign-in?next={quote(wanted)}")

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        response = _error(request, error.status, error.detail, error.kind)
        if "Retry-After" in error.headers:
            response.headers["Retry-After"] = error.headers["Retry-After"]
        return response

    async def on_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _error(
            request, error.status_code, f"Nothing is at {request.url.path}." if error.status_code == 404 else ""
        )

    async def on_validation(request: Request, error: Exception) -> Response:
        return _error(request, 404, f"Nothing is at {request.url.path}.")

    async def on_unforeseen(request: Request, error: Exception) -> Response:
        log.error("console_error", method=request.method, path=request.url.path, exc_info=error)
        response = _error(request, 500, "Coursekeep met an error of its own. Its log has the details: `console_error`.")
        response.headers.update(headers)
        return response

    app.add_exception_handler(SignInNeeded, on_sign_in_needed)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_framework)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_unforeseen)


def _error(request: Request, status: int, detail: str, kind: str = "") -> Response:
    title = "The OpenID provider cannot be used" if kind == "provider" else _TITLES.get(status, "Something went wrong")
    return page(request, "error.html", status, title=title, detail=detail, back=_page_before(request))


def _page_before(request: Request) -> str:
    """Return the page of this console that a form was on, else the first."""
    before = urlsplit(request.headers.get("referer", ""))
    if before.netloc != request.headers.get("host"):
        return "/"
    return local_path(before.path + (f"?{before.query}" if before.query else ""))
