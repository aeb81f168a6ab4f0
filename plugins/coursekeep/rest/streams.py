"""Streams: the lists and objects of a course that a connector declares, checked where they are written.

A stream says where a list of the course lies, and what becomes of each object in it: a record (`Stream`) or a file to
download (`Files`). What stands in none of the fields stays in ``native/api``, as the LMS answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from coursekeep.errors import DeclarationError
from coursekeep.kinds import MODELS, Kind
from coursekeep.records import Course, FileAuth, GapReason
from coursekeep.rest.fields import Each, Parent, Source
from coursekeep.rest.paging import Paging
from coursekeep.rest.places import Json, Params, Place, names_in, steps, texts_of
from coursekeep.rest.wording import close

__all__ = ["SWITCHED_OFF", "Endpoint", "Files", "Index", "Meaning", "Stream", "SwitchedOff", "Total", "Unread"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: kinds that the framework writes itself
_FRAMEWORK = frozenset({Kind.FILES, Kind.NATIVE_EXPORTS})
#: answers that always mean the same: who asks is unknown, or is to ask later
_FIXED = frozenset({401, 429})
#: fields that a file has besides its id
_FILE_FIELDS = (
    "file_name", "url", "size", "digest", "content_type", "folder", "created_at", "updated_at", "person_id",
)  # fmt: skip


class SwitchedOff(Enum):
    """What an answer means where the LMS lets a course do without a part: nothing is there, and nothing is missing."""

    SWITCHED_OFF = "switched off in the course"


SWITCHED_OFF: Final = SwitchedOff.SWITCHED_OFF

Meaning = GapReason | SwitchedOff


@dataclass(frozen=True, kw_only=True)
class Total:
    """Where the LMS says how many objects a list has over all its pages."""

    at: Place | None = None
    header: str | None = None

    def __post_init__(self) -> None:
        if (self.at is None) == (self.header is None):
            raise DeclarationError("Total: name either `at`, a place in the answer, or `header`")

    @property
    def basis(self) -> str:
        """Say for people where the number comes from."""
        return f"counted by the LMS ({self.header or '.'.join(steps(self.at or ()))})"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A list, or one object, that belongs to a course. What `Stream` and `Files` have in common."""

    #: of the stream, and of its answers in native/api: lower case, unique in the connector
    name: str
    #: path below `base_url`; names in braces are filled in: `{course_id}`, `{course.sis_id}`, `{settings.account}`,
    #: and with a parent `{parent_id}`, `{parent.slug}`
    path: str = ""
    params: Params = field(default_factory=dict)
    #: where the list lies in the answer; None where the answer is the list
    key: Place | None = None
    #: unique among the records of the kind in a course
    id: Source = "id"
    #: the stream to ask for each object of; it stands earlier in the connector
    parent: str | None = None
    #: the list that stands here in each object of the parent, instead of one to ask for
    inside: Place | None = None
    #: one object instead of a list
    single: bool = False
    total: Total | None = None
    #: what refusals by status mean here, where they do not mean what they usually do
    means: Mapping[int, Meaning] = field(default_factory=dict)
    #: where this list is paged in another way than the connector's others
    paging: Paging | None = None

    def __post_init__(self) -> None:
        self._hold(_NAME.fullmatch(self.name), "the name must be lower-case letters, digits and _")
        if self.inside is None:
            self._hold(self.path.startswith("/"), "the path must begin with / and lie below base_url")
            self._check_placeholders()
        else:
            asked = self.path or self.params or self.key or self.single or self.total or self.paging or self.means
            self._hold(self.parent, "inside: names a place in the objects of a parent; set parent=")
            self._hold(not asked, "inside: what stands in the parent is not asked for; leave path and the like out")
        for status in self.means:
            usable = 400 <= status < 500 and status not in _FIXED
            self._hold(usable, f"means: {status} cannot be given a meaning; use one of 400 to 499, not 401 and 429")
        self._hold(not (self.single and (self.total or self.paging)), "one object has neither total nor paging")
        if self.parent is None:
            inherited = any(isinstance(source, Parent) for source in self.sources())
            self._hold(not inherited, "a field comes from Parent, but the stream has no parent; set parent=")

    @property
    def gives(self) -> Kind:
        """The kind of what the stream gives."""
        return Kind.FILES

    def sources(self) -> Iterator[Source]:
        """Yield every source of a value."""
        yield self.id

    def placeholders(self) -> Iterator[str]:
        """Yield the names in braces in path and parameters."""
        yield from names_in(self.path)
        for value in texts_of(self.params):
            yield from names_in(value)

    def wanted_of_parent(self) -> Iterator[tuple[str, ...]]:
        """Yield the places of a parent that path, parameters and fields name."""
        for name in self.placeholders():
            if name.startswith("parent."):
                yield tuple(name.removeprefix("parent.").split("."))
        for source in self.sources():
            if isinstance(source, Parent):
                yield steps(source.at)

    def _check_placeholders(self) -> None:
        names = list(self.placeholders())
        for name in names:
            known = name in ("course_id", "parent_id") or re.fullmatch(r"(course|parent|settings)\.[\w.]+", name)
            self._hold(known, f"{{{name}}} is unknown; write {{course_id}}, {{parent_id}} or {{settings.NAME}}")
            self._hold(self.parent or not name.startswith("parent"), f"{{{name}}} needs a parent; set parent=")
            if name.startswith("course."):
                column = name.removeprefix("course.")
                hint = close(column, Course.__dataclass_fields__)
                self._hold(column in Course.__dataclass_fields__, f"{{{name}}}: a course has no {column!r}; {hint}")
        about = "parent" if self.parent else "course"
        self._hold(
            any(name.startswith(about) for name in names),
            f"neither path nor params name the {about}, so that each would get the same; write {{{about}_id}}",
        )

    def _hold(self, condition: object, complaint: str) -> None:
        if not condition:
            raise DeclarationError(f"stream {self.name!r}: {complaint}")


@dataclass(frozen=True, kw_only=True)
class Index(Endpoint):
    """A list that only leads to its objects: each is asked for by a stream with this one as parent, and `single`.

    Its own objects are kept as the LMS answered, and are not counted.
    """

    #: of what it leads to; a list that cannot be read is a gap of this kind
    kind: Kind

    @property
    def gives(self) -> Kind:
        return self.kind


@dataclass(frozen=True, kw_only=True)
class Stream(Endpoint):
    """A list whose objects become records of one kind."""

    kind: Kind
    #: where each field of the kind comes from; see `coursekeep.rest.fields`
    fields: Mapping[str, Source] = field(default_factory=dict)
    #: returns further fields of a record, for what a map cannot tell
    more: Callable[[Json], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold(self.kind not in _FRAMEWORK, f"records of {self.kind} are written by the framework; declare Files")
        known = MODELS[self.kind].model_fields
        self._hold("id" not in self.fields, "the id is no field; set id=")
        for name in self.fields:
            self._hold(name in known, f"fields: {self.kind} has no field {name!r}; {close(name, known)}")
        required = {name for name, about in known.items() if about.is_required()} - {"id"}
        left_out = sorted(required - set(self.fields))
        self._hold(self.more or not left_out, f"fields: {self.kind} needs {', '.join(left_out)} too")

    @property
    def gives(self) -> Kind:
        return self.kind

    def sources(self) -> Iterator[Source]:
        yield from super().sources()
        yield from self.fields.values()


@dataclass(frozen=True, kw_only=True)
class Files(Endpoint):
    """A list whose objects are files to download."""

    #: what they belong to, in the plural; see `RemoteFile.group`
    group: str = "course"
    file_name: Source = "name"
    #: absolute, or a path below `base_url`
    url: Source = "url"
    size: Source | None = None
    #: hexadecimal; with `digest_algorithm`, unless the LMS writes it as `algorithm:hex`
    digest: Source | None = None
    digest_algorithm: str = ""
    content_type: Source | None = None
    folder: Source | None = None
    created_at: Source | None = None
    updated_at: Source | None = None
    person_id: Source | None = None
    extra: Mapping[str, Source] = field(default_factory=dict)
    auth: FileAuth = FileAuth.TOKEN
    #: what it means where a file has no address
    withheld: GapReason = GapReason.LOCKED

    def __post_init__(self) -> None:
        super().__post_init__()
        self._hold(not isinstance(self.url, Each | Parent), "the url comes from the file itself")

    def sources(self) -> Iterator[Source]:
        yield from super().sources()
        yield from (source for _, source in self.columns())
        yield from self.extra.values()

    def columns(self) -> Iterator[tuple[str, Source]]:
        """Yield the fields of a file that are declared, with their sources."""
        for name in _FILE_FIELDS:
            source = getattr(self, name)
            if source is not None:
                yield name, source


@dataclass(frozen=True, kw_only=True)
class Unread:
    """A kind that the LMS has and the connector does not read: a gap in every course, so that none passes for whole."""

    kind: Kind
    #: what is left out, as a sentence
    what: str

    def __post_init__(self) -> None:
        if not self.what.strip():
            raise DeclarationError(f"Unread: say what of {self.kind} is not read")

    @classmethod
    def rest(
        cls, streams: Iterable[Endpoint], *, what: str, lacking: Collection[Kind] = (), by_hand: Collection[Kind] = ()
    ) -> tuple[Unread, ...]:
        """Return every kind that no stream gives, each with the sentence `what`.

        Left out are `lacking`, kinds that the LMS does not have, and `by_hand`, those that `export` gives besides.
        Raises `DeclarationError` where a stream gives one of these.
        """
        given = {stream.gives for stream in streams}
        for name, kinds in (("lacking", lacking), ("by_hand", by_hand)):
            for kind in kinds:
                if kind in given:
                    raise DeclarationError(f"Unread.rest: {name}: a stream gives {kind}; take one of the two away")
        left_out = given.union(lacking, by_hand)
        return tuple(cls(kind=kind, what=what) for kind in Kind if kind not in left_out)
