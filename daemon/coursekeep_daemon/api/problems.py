"""Errors of the control API: every one is an RFC 9457 problem that says what, where and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

__all__ = ["PROBLEMS", "PROBLEM_RESPONSES", "FieldProblem", "Problem", "ProblemBody", "install_problem_handlers"]

MEDIA_TYPE = "application/problem+json"

#: the kinds of problem, each a stable word: `type` is this word behind the address of the documentation page
PROBLEMS: Mapping[str, str] = {
    "bad-cursor": "The cursor of a list is not one that this list gave out.",
    "bad-request": "The request is well formed, but names something that cannot be used.",
    "conflict": "The request contradicts what is there.",
    "forbidden": "The token is good, but its scope does not allow this.",
    "internal": "The daemon met an error of its own; its log has the details.",
    "invalid": "Fields of the request are missing, unknown or have values that are not allowed.",
    "lms": "The LMS could not or would not answer.",
    "method-not-allowed": "The address exists, but not for this method.",
    "not-found": "There is nothing at this address.",
    "not-ready": "The daemon is starting, stopping or cannot work.",
    "provider": "The OpenID provider cannot be used now.",
    "storage": "The archive cannot be read or written.",
    "too-large": "The body of the request is larger than allowed.",
    "too-many": "Too many attempts failed; the next has to wait.",
    "unauthorized": "The token is missing, unknown or revoked.",
    "unsupported-media-type": "The body of the request is in a form that is not read here.",
}


class FieldProblem(BaseModel):
    """One field of a request that cannot be used."""

    where: str = Field(description="The field, for example `body.source` or `query.limit`.")
    what: str = Field(description="What is wrong with it.")
    remedy: str = Field("", description="What to do; may be empty where `what` says it all.")


class ProblemBody(BaseModel):
    """An error as RFC 9457 describes it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Kind of the problem: an address in the documentation of this daemon.")
    title: str = Field(description="The kind in words; the same for every problem of the kind.")
    status: int = Field(description="HTTP status.")
    detail: str = Field(description="What happened, where, and what to do.")
    instance: str | None = Field(None, description="Path of the request.")
    errors: list[FieldProblem] = Field(default_factory=list, description="The fields concerned, where there are any.")


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Problem (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}},
    }
}


class Problem(Exception):
    """Raise it in a route to answer with a problem."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def body(self, instance: str | None) -> dict[str, Any]:
        """Return the problem as JSON data."""
        body = ProblemBody(
            type=f"/api/docs#{self.kind}",
            title=PROBLEMS[self.kind],
            status=self.status,
            detail=self.detail,
            instance=instance,
            errors=self.errors,
        )
        return body.model_dump(mode="json", exclude_none=True) | self.extra

    def response(self, instance: str | None) -> Response:
        """Return the problem as a response."""
        return JSONResponse(self.body(instance), self.status, headers=self.headers, media_type=MEDIA_TYPE)


#: statuses that the framework itself answers with
_FRAMEWORK_KINDS: Mapping[int, str] = {
    400: "bad-request",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
}


def _from_framework(error: HTTPException, path: str) -> Problem:
    kind = _FRAMEWORK_KINDS.get(error.status_code, "bad-request" if error.status_code < 500 else "internal")
    details = {
        404: f"Nothing is at {path}. The list of addresses is at /api/docs.",
        405: f"{path} does not take this method; it takes {(error.headers or {}).get('Allow', 'others')}.",
    }
    if error.status_code == 400 and str(error.detail).startswith("There was an error parsing"):
        return Problem(400, kind, "The body could not be read. Send JSON (or a form, where a file is asked for).")
    detail = details.get(error.status_code) or str(error.detail or HTTPStatus(error.status_code).phrase)
    return Problem(error.status_code, kind, detail, headers=error.headers)


def _from_validation(error: RequestValidationError) -> Problem:
    fields = [_field(each) for each in error.errors()]
    first = fields[0]
    more = f" ({len(fields) - 1} more in `errors`)" if len(fields) > 1 else ""
    return Problem(422, "invalid", f"{first.where}: {first.what}. {first.remedy}".strip() + more, errors=fields)


def _field(error: Mapping[str, Any]) -> FieldProblem:
    where = ".".join(str(part) for part in error["loc"])
    remedies = {
        "missing": "Add it.",
        "extra_forbidden": "Remove it, or correct its name.",
        "json_invalid": "Send valid JSON.",
        "timezone_aware": "Add the time zone, for example 2026-08-01T00:00:00Z.",
    }
    what = str(error["msg"]).removeprefix("Value error, ")
    return FieldProblem(where=where, what=what, remedy=remedies.get(str(error["type"]), ""))


def install_problem_handlers(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Make every error of the application a problem. `headers` go with the answer to an unforeseen error.

    An unforeseen error is answered outside all middleware, so nobody else could add them there.
    """
    log = structlog.get_logger("coursekeep.api")

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, Problem)
        return error.response(request.url.path)

    async def on_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _from_framework(error, request.url.path).response(request.url.path)

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _from_validation(error).response(request.url.path)

    async def on_unforeseen(request: Request, error: Exception) -> Response:
        log.error("api_error", method=request.method, path=request.url.path, exc_info=error)
        problem = Problem(
            500, "internal", "The daemon met an error of its own. Look into its log for `api_error`.", headers=headers
        )
        return problem.response(request.url.path)

    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(HTTPException, on_framework)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(Exception, on_unforeseen)
