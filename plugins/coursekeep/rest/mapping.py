"""Objects of an LMS as records and files, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from coursekeep.addresses import is_absolute
from coursekeep.kinds import MODELS
from coursekeep.records import GapReason, Record, RemoteFile
from coursekeep.rest.fields import NONSENSE, Doubt, Field, From, Shape, compiled, complaint, shape_of
from coursekeep.rest.streams import Endpoint, Files, Stream

__all__ = ["FileMapper", "Mapped", "Mapper", "RecordMapper", "mapper_for"]

_TIMES = frozenset({"created_at", "updated_at"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapped:
    """What became of an object."""

    part: Record | RemoteFile
    #: by which two objects are told apart
    content: object
    #: fields that are null because of what the LMS answered, each with what is wrong
    doubts: Sequence[tuple[str, str]]


class Mapper:
    """Maps the objects of one endpoint. By itself it knows no more than their ids."""

    def __init__(self, endpoint: Endpoint, zone: ZoneInfo | None) -> None:
        self._id = compiled("id", endpoint.id, Shape.TEXT)
        self._zone = zone

    def id_of(self, given: From) -> str:
        """Return the id of an object. Raises `Doubt` where it has none."""
        try:
            found = self._id.value(given, self._zone)
        except NONSENSE as error:
            raise Doubt(f"its id {complaint(error)}") from None
        if not isinstance(found, str) or not found:
            raise Doubt("its id is empty, or neither text nor a whole number")
        return found

    def mapped(self, id_: str, given: From) -> Mapped | None:
        """Map an object; None where nothing becomes of it. Raises `Doubt` where it makes no sense as a whole."""
        return None

    def _read(self, columns: Sequence[Field], given: From, doubts: list[tuple[str, str]]) -> dict[str, Any]:
        """Read fields; those that are null are left out."""
        values: dict[str, Any] = {}
        for column in columns:
            try:
                found = column.value(given, self._zone)
            except NONSENSE as error:
                doubts.append((column.name, complaint(error)))
                continue
            if found is not None:
                values[column.name] = found
        return values


class RecordMapper(Mapper):
    """Maps the objects of a stream to records of its kind."""

    def __init__(self, stream: Stream, zone: ZoneInfo | None) -> None:
        super().__init__(stream, zone)
        self._kind = stream.kind
        self._model = MODELS[stream.kind]
        self._more = stream.more
        shapes = {name: shape_of(about.annotation) for name, about in self._model.model_fields.items()}
        self._columns = [compiled(name, source, shapes[name]) for name, source in stream.fields.items()]

    def mapped(self, id_: str, given: From) -> Mapped:
        doubts: list[tuple[str, str]] = []
        data = self._read(self._columns, given, doubts)
        if self._more is not None:
            try:
                data = {**self._more(given.item), **data}
            except NONSENSE as error:
                doubts.append(("what `more` gives", complaint(error)))
        needed = [name for name, _ in doubts if name in self._model.model_fields and self._required(name)]
        if needed:
            raise Doubt("; ".join(f"{name} {why}" for name, why in doubts if name in needed))
        data = self._fitting(id_, data, doubts)
        return Mapped(part=Record(kind=self._kind, id=id_, data=data), content=data, doubts=doubts)

    def _fitting(self, id_: str, data: dict[str, Any], doubts: list[tuple[str, str]]) -> dict[str, Any]:
        """Return the fields that the model takes; those that it does not become doubts."""
        try:
            self._model.model_validate({"id": id_, **data})
        except ValidationError as error:
            wrong = _faults(error)
            if not wrong or any(name not in self._model.model_fields or self._required(name) for name in wrong):
                raise Doubt("; ".join(f"{name}: {why}" for name, why in wrong.items())) from None
            doubts += [(name, f"is refused: {why}") for name, why in wrong.items()]
            return {name: value for name, value in data.items() if name not in wrong}
        return data

    def _required(self, name: str) -> bool:
        return self._model.model_fields[name].is_required()


class FileMapper(Mapper):
    """Maps the objects of a list of files."""

    def __init__(self, files: Files, zone: ZoneInfo | None, base_url: str) -> None:
        super().__init__(files, zone)
        self._files = files
        self._base = base_url.strip().rstrip("/")
        self._columns = [compiled(name, source, _shape(name)) for name, source in files.columns()]
        self._extra = [compiled(name, source, Shape.OTHER) for name, source in files.extra.items()]

    def mapped(self, id_: str, given: From) -> Mapped:
        doubts: list[tuple[str, str]] = []
        values = self._read(self._columns, given, doubts)
        extra = self._read(self._extra, given, doubts)
        fitted = {name: _fitted(name, value, doubts) for name, value in values.items()}
        url = fitted.pop("url", None)
        digest = fitted.get("digest")
        if digest and self._files.digest_algorithm and ":" not in digest:
            fitted["digest"] = f"{self._files.digest_algorithm}:{digest}"
        name = fitted.pop("file_name", None) or id_
        withheld = GapReason.MALFORMED if any(each == "url" for each, _ in doubts) else self._files.withheld
        file = RemoteFile(
            group=self._files.group,
            id=id_,
            name=name,
            url=self._address(url) if url else "",
            auth=self._files.auth,
            extra=extra,
            withheld=None if url else withheld,
            **fitted,
        )
        return Mapped(part=file, content=(name, sorted(fitted.items(), key=lambda each: each[0]), extra), doubts=doubts)

    def _address(self, url: str) -> str:
        return url if is_absolute(url) else f"{self._base}/{url.lstrip('/')}"


def mapper_for(endpoint: Endpoint, zone: ZoneInfo | None, base_url: str) -> Mapper:
    """Return what maps the objects of an endpoint."""
    if isinstance(endpoint, Stream):
        return RecordMapper(endpoint, zone)
    if isinstance(endpoint, Files):
        return FileMapper(endpoint, zone, base_url)
    return Mapper(endpoint, zone)


def _shape(name: str) -> Shape:
    if name in _TIMES:
        return Shape.TIME
    return Shape.OTHER if name == "size" else Shape.TEXT


def _fitted(name: str, value: Any, doubts: list[tuple[str, str]]) -> Any:
    """Return a field of a file where it is of the type that it must be, else None with a doubt."""
    if name == "size":
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        good = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    else:
        good = isinstance(value, datetime if name in _TIMES else str)
    if good:
        return value
    doubts.append((name, "makes no sense"))
    return None


def _faults(error: ValidationError) -> Mapping[str, str]:
    """Return which fields a model refuses, and why, without their values."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return {str(fault["loc"][0]): str(fault["msg"]) for fault in faults if fault["loc"]}
