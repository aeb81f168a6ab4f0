"""The body of `POST /runs`: JSON, or a form with a CSV file."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from coursekeep_daemon.api.models import NewRun
from coursekeep_daemon.api.problems import FieldProblem, Problem
from coursekeep_daemon.text_files import text_of

__all__ = ["NEW_RUN_BODY", "decode_csv", "read_new_run"]

#: what OpenAPI says about the body, which is read by hand because it comes in two forms
NEW_RUN_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/NewRun"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["integration", "file"],
                    "properties": {
                        "integration": {"type": "string"},
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV with a column of course ids or SIS ids. The source is `csv`.",
                        },
                        "source": {"type": "string", "enum": ["csv"], "default": "csv"},
                        "on_existing": {"type": "string", "enum": ["skip", "refresh"], "default": "skip"},
                        "note": {"type": "string"},
                        "include": {"type": "array", "items": {"type": "string"}},
                        "exclude": {"type": "array", "items": {"type": "string"}},
                    },
                }
            },
        },
    }
}


async def read_new_run(request: Request) -> NewRun:
    """Read the body in whichever of its two forms it comes; called by hand, so that the token is looked at first."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        async with request.form(max_files=1, max_fields=1000) as form:
            return _validated(await _from_form(form))
    if media_type == "application/json":
        return _validated(_from_json(await request.body()))
    detail = (
        f"The body is {media_type or 'of no named type'}. Send application/json, or multipart/form-data with `file`."
    )
    raise Problem(415, "unsupported-media-type", detail)


def decode_csv(data: bytes, name: str) -> str:
    """Return the text of a CSV file: UTF-8 with or without a byte order mark, UTF-16 with one, else cp1252.

    Spreadsheets write all of these. Raise a problem where the file is empty or no text.
    """
    where = f"file {name!r}" if name else "the file"
    if not data.strip():
        raise _bad_file(f"{where} is empty", "Send a file with a header line and one course per line.")
    text = text_of(data)
    if text is None:
        raise _bad_file(f"{where} is not text", "Export it as CSV; spreadsheets and archives are not read.")
    return text


async def _from_form(form: FormData) -> dict[str, Any]:
    single = {"integration", "source", "on_existing", "note"}
    body: dict[str, Any] = {"source": "csv"}
    for name in form:
        values = form.getlist(name)
        if name in single:
            if len(values) != 1 or not isinstance(values[0], str):
                raise _bad_field(f"body.{name}", "must be one text", "Send it once, as a plain field.")
            body[name] = values[0]
        elif name != "file":  # include and exclude; anything else is refused by the model
            body[name] = values
    if body["source"] != "csv":
        raise _bad_field("body.source", "a form is for source csv only", "Send the other sources as JSON.")
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise _bad_field("body.file", "is missing", "Add the CSV as a file field named `file`.")
    return body | {"params": {"text": decode_csv(await file.read(), file.filename or "")}}


def _from_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad_field("body", "is not valid JSON", "Send a JSON object.") from error


def _validated(body: Any) -> NewRun:
    try:
        return NewRun.model_validate(body)
    except ValidationError as error:
        details = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(details) from error


def _bad_field(where: str, what: str, remedy: str) -> Problem:
    field = FieldProblem(where=where, what=what, remedy=remedy)
    return Problem(422, "invalid", f"{where} {what}. {remedy}", errors=[field])


def _bad_file(what: str, remedy: str) -> Problem:
    field = FieldProblem(where="body.file", what=what, remedy=remedy)
    return Problem(422, "invalid", f"{what}. {remedy}", errors=[field])
