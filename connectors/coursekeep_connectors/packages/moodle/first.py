"""Backups of Moodle 1.9: one document for everything, and the files beside it as folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, MalformedAnswer, Part
from coursekeep_connectors.packages.documents import child, children, descendants, local
from coursekeep_connectors.packages.moodle.first_work import WORK
from coursekeep_connectors.packages.moodle.people import role_of
from coursekeep_connectors.packages.moodle.texts import facts, identified, plain, said, time_of
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import number, whole

__all__ = ["read_moodle_1"]

_DOCUMENT = "moodle.xml"
_SUBMITTED = "moddata/assignment/"
#: activities that are remembered until their titles come
_MODULES = 50_000


@dataclass(kw_only=True)
class _First:
    """A backup while it is read."""

    package: Package
    #: activities by type and id, as the outline has them; their titles come later in the document
    modules: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    #: files of submissions by assignment and person
    attached: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)

    def record(self, kind: Kind, id_: str, data: Mapping[str, Any]) -> Part:
        return self.package.sheet.record(kind, id_, data, basis=_DOCUMENT)


def read_moodle_1(package: Package) -> Iterator[Part]:
    """Yield the records and files of a backup of Moodle 1.9."""
    package.used.add(_DOCUMENT)
    backup = _First(package=package, attached=_attached(package))
    yield from package.guarded(Kind.STRUCTURE, _DOCUMENT, _document(backup))
    for (type_, id_), data in backup.modules.items():
        yield backup.record(Kind.STRUCTURE, data.pop("id", f"{type_}-{id_}"), data)
    yield from package.guarded(Kind.SETTINGS, _DOCUMENT, _left_over(backup))
    for name in package.documents.container.entries:
        if name.startswith(_SUBMITTED):
            yield replace(package.file(name, group="submissions"), person_id=_person(name))
        elif name != _DOCUMENT:
            yield package.file(name)


def _document(backup: _First) -> Iterator[Part]:
    tags = {tag for _, tag in _READERS}
    for path, element in backup.package.documents.stream(_DOCUMENT, *tags):
        reader = _READERS.get((local(path[-1]) if path else "", local(element)))
        if reader is not None:
            yield from reader(backup, path, element)


def _left_over(backup: _First) -> Iterator[Part]:
    """Name every list of the document that nothing here reads, with how many things it holds."""
    documents = backup.package.documents
    lists = [(depth, documents.shell(_DOCUMENT, depth)[1]) for depth in (1, 2, 3)]
    for depth, found in lists:
        for name, count in sorted(found.items()):
            of_gradebook = depth < 3 or name.startswith("GRADE_")  # below, lists belong to what was read
            if of_gradebook and name not in _READ[depth]:
                detail = f"{name}: {count:,} entries are kept in the package file only"
                yield backup.package.sheet.native_only(_kind_of(name), name.lower(), detail)


def _kind_of(name: str) -> Kind:
    """Return the kind of records that the entries of an unread list would have become."""
    if name.endswith("_HISTORIES"):
        return Kind.GRADE_HISTORY
    return {"GRADE_OUTCOMES": Kind.OUTCOMES, "GRADE_CATEGORIES": Kind.ASSIGNMENT_GROUPS}.get(name, Kind.SETTINGS)


def _attached(package: Package) -> dict[tuple[str, str], list[str]]:
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in package.documents.container.entries:
        parts = name.removeprefix(_SUBMITTED).split("/")
        if name.startswith(_SUBMITTED) and len(parts) > 2:
            found[parts[0], parts[1]].append(name)
    return dict(found)


def _person(name: str) -> str | None:
    parts = name.removeprefix(_SUBMITTED).split("/")
    return parts[1] if len(parts) > 2 and parts[1].isdigit() else None


def _header(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    yield backup.record(Kind.SETTINGS, "course", {"value": facts(element, "PASSWORD")})
    for role in children(child(element, "ROLES_ASSIGNMENTS"), "ROLE"):
        for assigned in children(child(role, "ASSIGNMENTS"), "ASSIGNMENT"):
            person = said(assigned, "USERID") or ""
            id_ = f"role-{said(role, 'ID')}-{person}"
            data = {
                "person_id": person,
                "role": role_of(said(role, "SHORTNAME")),
                "role_name": said(role, "NAME"),
                "state": "active",
                "start_at": time_of(backup.package, assigned, "TIMESTART", id_),
                "end_at": time_of(backup.package, assigned, "TIMEEND", id_),
                "updated_at": time_of(backup.package, assigned, "TIMEMODIFIED", id_),
            }
            yield backup.record(Kind.ENROLLMENTS, id_, data)


def _information(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    yield backup.record(Kind.SETTINGS, "moodle_backup", {"value": plain(element)})


def _section(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    id_ = f"section-{said(element, 'ID')}"
    extra = {"section": facts(element)}
    published = {"1": True, "0": False}.get(said(element, "VISIBLE") or "")
    data = {"node": "module", "position": whole(said(element, "NUMBER")), "published": published, "extra": extra}
    yield backup.record(Kind.STRUCTURE, id_, data)
    if len(backup.modules) > _MODULES:
        raise MalformedAnswer(f"it lists more than {_MODULES:,} activities", where=_DOCUMENT)
    for position, module in enumerate(children(child(element, "MODS"), "MOD"), start=1):
        backup.modules[said(module, "TYPE") or "", said(module, "INSTANCE") or ""] = {
            "id": f"module-{said(module, 'ID')}",
            "node": "item",
            "parent_id": id_,
            "position": position,
            "indent": whole(said(module, "INDENT")),
            "item_type": said(module, "TYPE"),
            "published": {"1": True, "0": False}.get(said(module, "VISIBLE") or ""),
            "extra": {"module": facts(module)},
        }


def _user(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    names = [said(element, "FIRSTNAME"), said(element, "LASTNAME")]
    data = {
        "name": " ".join(name for name in names if name) or None,
        "login_id": said(element, "USERNAME"),
        "sis_id": said(element, "IDNUMBER"),
        "email": said(element, "EMAIL"),
    }
    yield backup.record(Kind.PEOPLE, said(element, "ID") or "", data)


def _group(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    members = list(children(child(element, "MEMBERS"), "MEMBER"))
    data = {
        "name": said(element, "NAME"),
        "description": said(element, "DESCRIPTION"),
        "member_ids": [person for each in members if (person := identified(each, "USERID"))],
        "memberships": [facts(each) for each in members],
    }
    yield backup.record(Kind.GROUPS, said(element, "ID") or "", data)


def _question(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    category = next((each for each in reversed(path) if local(each) == "QUESTION_CATEGORY"), None)
    quiz_id = f"category-{said(category, 'ID')}"
    if quiz_id not in backup.categories:
        data: dict[str, Any] = {"title": said(category, "NAME"), "quiz_type": "question_bank"}
        yield backup.record(Kind.QUIZZES, quiz_id, data | {"extra": {"category": facts(category)}})
    backup.categories[quiz_id] = backup.categories.get(quiz_id, 0) + 1
    data = {
        "quiz_id": quiz_id,
        "position": backup.categories[quiz_id],
        "name": said(element, "NAME"),
        "type": said(element, "QTYPE"),
        "text_html": said(element, "QUESTIONTEXT"),
        "points_possible": number(said(element, "DEFAULTGRADE")),
        "answers": [plain(each) for each in descendants(element, "ANSWER")],
        "extra": {"question": plain(element)},
    }
    yield backup.record(Kind.QUIZ_QUESTIONS, said(element, "ID") or "", data)


def _grade_item(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    item = said(element, "ID")
    neutral = said(element, "ITEMTYPE") in ("course", "category")
    if not neutral:
        data: dict[str, Any] = {
            "title": said(element, "ITEMNAME"),
            "points_possible": number(said(element, "GRADEMAX")),
            "extra": {"grade_item": facts(element)},
        }
        yield backup.record(Kind.ASSIGNMENTS, f"item-{item}", data)
    for grade in children(child(element, "GRADE_GRADES"), "GRADE"):
        person, score = identified(grade, "USERID"), number(said(grade, "FINALGRADE"))
        if neutral:
            data = {"person_id": person or "", "final_score": score, "extra": {"item_id": item, "grade": facts(grade)}}
            yield backup.record(Kind.GRADES, said(grade, "ID") or "", data)
        else:
            data = {"assignment_id": f"item-{item}", "person_id": person, "score": score}
            yield backup.record(
                Kind.SUBMISSIONS, f"grade-{said(grade, 'ID')}", data | {"extra": {"grade": facts(grade)}}
            )


def _event(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    id_ = said(element, "ID") or ""
    data = {
        "title": said(element, "NAME"),
        "description_html": said(element, "DESCRIPTION"),
        "type": said(element, "EVENTTYPE"),
        "start_at": time_of(backup.package, element, "TIMESTART", f"event-{id_}"),
        "extra": {"event": facts(element, "DESCRIPTION")},
    }
    yield backup.record(Kind.CALENDAR_EVENTS, id_, data)


def _activity(backup: _First, path: tuple[Element, ...], element: Element) -> Iterator[Part]:
    type_, id_ = said(element, "MODTYPE") or "", said(element, "ID") or ""
    node = backup.modules.setdefault((type_, id_), {"node": "item", "item_type": type_, "extra": {}})
    node["title"] = said(element, "NAME")
    node["extra"][type_ or "activity"] = facts(element, "NAME", "PASSWORD", "ALLTEXT")
    worker = WORK.get(type_)
    if worker is not None:
        yield from worker(backup.package, element, id_, backup.attached)
        return
    lists = {local(each): len(each) for each in element if len(each)}
    if lists or type_ not in ("label", "resource"):
        held = ", ".join(f"{count:,} × {name}" for name, count in sorted(lists.items())) or "its content"
        detail = f"{type_}: {held} is kept in the package file only"
        yield backup.package.sheet.native_only(Kind.ACTIVITIES, node.get("id", f"{type_}-{id_}"), detail)


#: the lists of the document that are read, by how deep they lie
_READ: Mapping[int, frozenset[str]] = {
    1: frozenset({"INFO", "COURSE"}),
    2: frozenset(
        {
            *("DETAILS", "ROLE"),  # of INFO, which is read as a whole, and of ROLES, which is named already
            *("HEADER", "SECTIONS", "USERS", "GROUPS", "QUESTION_CATEGORIES", "GRADEBOOK", "EVENTS", "MODULES"),
        }
    ),
    3: frozenset({"GRADE_ITEMS"}),
}

_Reader = Callable[[_First, tuple[Element, ...], Element], Iterator[Part]]

#: what reads an element, by the element around it and its name
_READERS: Mapping[tuple[str, str], _Reader] = {
    ("MOODLE_BACKUP", "INFO"): _information,
    ("COURSE", "HEADER"): _header,
    ("SECTIONS", "SECTION"): _section,
    ("USERS", "USER"): _user,
    ("GROUPS", "GROUP"): _group,
    ("QUESTIONS", "QUESTION"): _question,
    ("GRADE_ITEMS", "GRADE_ITEM"): _grade_item,
    ("EVENTS", "EVENT"): _event,
    ("MODULES", "MOD"): _activity,
}
