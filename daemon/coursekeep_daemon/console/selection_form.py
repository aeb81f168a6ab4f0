"""The form that selects courses: what was typed, the request that it makes, and back.

Whatever a visitor typed stays in the form, for every method at once, so that changing the method or a mistake loses
nothing. Ticks belong to what was shown: terms and search results of another integration are never taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import FormData, UploadFile

from coursekeep import CourseSource
from coursekeep_daemon.api.models import NewRun
from coursekeep_daemon.api.problems import FieldProblem, Problem
from coursekeep_daemon.api.uploads import decode_csv
from coursekeep_daemon.console.source_fields import SourceField, fields_of, lines_of
from coursekeep_daemon.requests import RunRequest

__all__ = ["FoundCourse", "Sources", "Typed", "bad_field", "request_of", "typed_of", "with_upload", "wrong_fields"]

#: the course sources that there are, by name
Sources = Mapping[str, type[CourseSource[Any]]]


class FoundCourse(BaseModel):
    """A course that a search found, as the form keeps it."""

    id: str
    name: str
    code: str | None = None
    term: str | None = None
    ended: bool = False
    ended_at: datetime | None = None
    #: what the archive has of it, in words; empty where it has nothing
    archived: str = ""


_FOUND = TypeAdapter(tuple[FoundCourse, ...])


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What stands in the fields of the form."""

    integration: str = ""
    #: the integration whose terms and search results stood in the form
    shown: str = ""
    source: str = "terms"
    terms: tuple[str, ...] = ()
    include_running: bool = False
    csv: str = ""
    #: name of the file that the text came from
    csv_name: str = ""
    ids: str = ""
    text: str = ""
    #: the text whose results are in the form; None before any search
    searched: str | None = None
    found: tuple[FoundCourse, ...] = ()
    #: whether the search finds more than is shown
    found_more: bool = False
    picked: tuple[str, ...] = ()
    before: str = ""
    ended_by: str = "course"
    #: fields of sources that plugins bring, by `source.parameter`
    others: Mapping[str, str] = field(default_factory=dict)
    on_existing: str = "skip"
    include: str = ""
    exclude: str = ""
    note: str = ""

    @classmethod
    def of(cls, form: FormData) -> Typed:
        """Read a form that was sent. Never fails: what cannot be used is found when a request is made of it."""
        names = ["integration", "shown", "source", "csv", "csv_name", "ids", "text", "before", "ended_by"]
        names += ["on_existing", "include", "exclude", "note"]
        texts = {name: _text(form, name) for name in names if name in form}
        texts["csv"] = _one_kind_of_line_end(texts.get("csv", ""))
        return cls(
            **texts,
            terms=_texts(form, "terms"),
            include_running=bool(_text(form, "include_running")),
            searched=_text(form, "searched") if "searched" in form else None,
            found=_found(_text(form, "found")),
            found_more=bool(_text(form, "found_more")),
            picked=_texts(form, "picked"),
            others={name: _text(form, name) for name in form if "." in name},
        )

    @property
    def moved(self) -> bool:
        """Whether the terms and results that stood in the form are those of another integration."""
        return self.shown not in ("", self.integration)

    def without_ticks(self) -> Typed:
        """Forget what belongs to what was shown."""
        return replace(self, shown=self.integration, terms=(), picked=(), found=(), searched=None, found_more=False)

    @property
    def found_json(self) -> str:
        """The results, as the form carries them to the next page."""
        return _FOUND.dump_json(self.found).decode()


async def with_upload(typed: Typed, form: FormData) -> Typed:
    """Put the text of a chosen file into the form. Raises a problem where it is asked for, but no text."""
    file = form.get("file")
    if not isinstance(file, UploadFile) or not (file.filename or file.size):
        return typed  # browsers send an empty part where no file was chosen
    name = (file.filename or "")[:200]
    try:
        text = decode_csv(await file.read(), name)
    except Problem:
        if typed.source == "csv":
            raise
        return typed
    return replace(typed, csv=_one_kind_of_line_end(text), csv_name=name)


def request_of(typed: Typed, sources: Sources) -> RunRequest:
    """Return the request that a form makes. Raises a problem that names the field which cannot be used."""
    if typed.moved and (typed.terms or typed.picked):
        what = f"What was ticked belongs to {typed.shown}"
        raise bad_field("integration", what, f"Tick among what {typed.integration or 'the other one'} has.")
    asked = {
        "integration": typed.integration,
        "source": typed.source,
        "params": _params(typed, sources),
        "on_existing": typed.on_existing,
        "note": typed.note.strip() or None,
        "include": lines_of(typed.include),
        "exclude": lines_of(typed.exclude),
    }
    try:
        return RunRequest(**NewRun.model_validate(asked).model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise bad_field(str(first["loc"][0]), first["msg"]) from None


def typed_of(request: RunRequest, sources: Sources) -> Typed:
    """Return the form that makes a request: the way back, for what is stored and edited."""
    typed = Typed(
        integration=request.integration,
        shown=request.integration,
        source=request.source,
        on_existing=request.on_existing,
        include="\n".join(request.include),
        exclude="\n".join(request.exclude),
        note=request.note or "",
    )
    params = request.params
    if request.source == "terms":
        return replace(typed, terms=tuple(params.get("terms", ())), include_running=bool(params.get("include_running")))
    if request.source == "csv":
        return replace(typed, csv=str(params.get("text", "")))
    if request.source == "ids":
        return replace(typed, ids="\n".join(map(_quoted, params.get("ids", ()))))
    if request.source == "search":
        return replace(
            typed, text=str(params.get("text", "")), **_picks(str(params.get("text", "")), params.get("ids"))
        )
    if request.source == "end_date":
        before, by = str(params.get("before", "")), str(params.get("ended_by", "course"))
        return replace(typed, before=before, ended_by=by)
    described = _others_of(request.source, sources)
    return replace(typed, others={each.key: each.show(params.get(each.name)) for each in described})


def bad_field(where: str, what: str, remedy: str = "") -> Problem:
    """Return the problem of one field of the form."""
    return Problem(
        422, "invalid", f"{what}. {remedy}".strip(), errors=[FieldProblem(where=where, what=what, remedy=remedy)]
    )


#: which field of the form holds a parameter, of the sources that have a form of their own
_FIELDS: Mapping[str, Mapping[str, str]] = {
    "terms": {"terms": "terms", "include_running": "include_running"},
    "csv": {"text": "csv", "csv": "csv"},
    "ids": {"ids": "ids"},
    "search": {"text": "text", "ids": "picked"},
    "end_date": {"before": "before", "ended_by": "ended_by"},
}
#: fields of the form besides those of a source, and what else a problem calls them
_OWN = {name: name for name in ("integration", "source", "on_existing", "note", "include", "exclude")}
_OWN |= {"body.file": "csv"}
_PROBLEM = re.compile(r"(?:params\.)?(\w+)(?:\.[\w.\[\]-]+)?: (.*)", re.DOTALL)


def wrong_fields(problem: Problem, source: str, sources: Sources) -> dict[str, str]:
    """Return what is wrong with each field of the form; under `params` what cannot be told of a field."""
    fields = _FIELDS.get(source) or {each.name: each.key for each in _others_of(source, sources)}
    own = _OWN | {key: key for key in fields.values()}
    wrong: dict[str, str] = {}
    for each in problem.errors:
        if each.where == "params":
            for what in each.what.split("; params."):
                name, said = _of_parameter(what, fields)
                wrong.setdefault(name, said)
        else:
            wrong.setdefault(own.get(each.where, "params"), _sentence(f"{each.what}. {each.remedy}".strip()))
    return wrong


def _of_parameter(what: str, fields: Mapping[str, str]) -> tuple[str, str]:
    """Return the field that a course source complains of, and what it says."""
    found = _PROBLEM.fullmatch(what)
    if found is None or found[1] not in fields:
        return "params", _sentence(what)
    said = {"Field required": "It is missing: fill it in"}.get(found[2], found[2])
    return fields[found[1]], _sentence(said)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _params(typed: Typed, sources: Sources) -> dict[str, Any]:
    makers: Mapping[str, Callable[[Typed], dict[str, Any]]] = {
        "terms": lambda typed: (
            {"terms": list(typed.terms)} | ({"include_running": True} if typed.include_running else {})
        ),
        "csv": lambda typed: {"text": typed.csv},
        "ids": lambda typed: {"ids": [ref for line in lines_of(typed.ids) for ref in _refs(line)]},
        "search": _search_params,
        "end_date": lambda typed: (
            ({"before": typed.before.strip()} if typed.before.strip() else {}) | {"ended_by": typed.ended_by}
        ),
    }
    if typed.source in makers:
        return makers[typed.source](typed)
    described = _others_of(typed.source, sources)
    values = {each.name: _other(each, typed.others.get(each.key, "")) for each in described}
    return {name: value for name, value in values.items() if value is not None}


def _refs(line: str) -> list[str]:
    """Return the ids of a line: separated by commas, or one in quotation marks, which may hold commas itself."""
    if len(line) > 2 and line[0] == line[-1] == '"':
        return [line[1:-1]]
    return [ref.strip() for ref in line.split(",") if ref.strip()]


def _quoted(ref: str) -> str:
    return f'"{ref}"' if "," in ref else ref


def _search_params(typed: Typed) -> dict[str, Any]:
    text = typed.text.strip()
    if not typed.picked:
        return {"text": text}
    if text != typed.searched:
        what = f"The ticks belong to a search for {typed.searched or ''!r}"
        raise bad_field("text", what, "Press Search to see what this text finds, then tick again.")
    return {"text": text, "ids": list(typed.picked)}


def _others_of(source: str, sources: Sources) -> list[SourceField]:
    return fields_of(sources[source]) if source in sources else []


def _other(described: SourceField, typed: str) -> Any:
    try:
        return described.read(typed)
    except ValueError as error:
        raise bad_field(described.key, f"{described.label} {error}") from None


def _one_kind_of_line_end(text: str) -> str:
    # browsers send their own, and a request must stay the same from its preview to its start
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _picks(text: str, ids: Any) -> dict[str, Any]:
    # what a stored search had chosen is shown by id: nobody has asked the LMS again
    if not ids:
        return {}
    return {
        "searched": text,
        "picked": tuple(ids),
        "found": tuple(FoundCourse(id=one, name=f"Course {one}") for one in ids),
    }


def _found(text: str) -> tuple[FoundCourse, ...]:
    try:
        return _FOUND.validate_json(text)
    except ValidationError:
        return ()


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _texts(form: FormData, name: str) -> tuple[str, ...]:
    return tuple(value for value in form.getlist(name) if isinstance(value, str))
