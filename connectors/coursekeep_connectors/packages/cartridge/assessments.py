"""Quizzes and question banks of a cartridge: QTI 1.2, with what Canvas says beside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, MalformedAnswer, Part
from coursekeep_connectors.packages.cartridge.manifest import Manifest, Resource
from coursekeep_connectors.packages.cartridge.work import graded
from coursekeep_connectors.packages.documents import attribute, child, children, descendants, local, text_of, tree
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import moment, number, whole

__all__ = ["bank_parts", "loose_banks", "quiz_parts"]

_FOLDER = "non_cc_assessments/"


def quiz_parts(package: Package, manifest: Manifest, resource: Resource) -> Iterator[Part]:
    """Yield a quiz and its questions. Canvas's own copy is preferred: Common Cartridge leaves types of question out."""
    own = f"{_FOLDER}{resource.id}.xml.qti"
    usual = next((name for name in resource.files if name.endswith(".xml")), resource.first)
    name = own if package.documents.has(own) else usual
    if name is None:
        raise MalformedAnswer("the manifest names no file for it", where=resource.id)
    root = package.documents.xml(name)
    package.used.update(each for each in (name, usual) if each)
    meta_name = manifest.companion(resource, "assessment_meta.xml")
    meta = None if meta_name is None else package.documents.xml(meta_name)
    package.used.update([meta_name] if meta_name else [])
    assessment = child(root, "assessment")
    sections = list(descendants(assessment, "section"))
    data = _quiz(package, resource.key, assessment, meta)
    data["groups"] = [_group(section) for section in sections if child(section, "selection_ordering") is not None]
    data["question_count"] = sum(1 for _ in descendants(assessment, "item"))
    assignment = child(meta, "assignment")
    if assignment is not None:
        id_ = attribute(assignment, "identifier") or f"{resource.key}-assignment"
        data["assignment_id"] = id_
        yield graded(package, assignment, id_, quiz_id=resource.key)
    yield package.sheet.record(Kind.QUIZZES, resource.key, data, basis="imsmanifest.xml")
    yield from _questions(package, resource.key, assessment, name)


def bank_parts(package: Package, id_: str, name: str) -> Iterator[Part]:
    """Yield a question bank as a quiz of its own type, and its questions."""
    root = package.documents.xml(name)
    bank = child(root, "objectbank")
    if bank is None:
        bank = child(root, "assessment")
    if bank is None:
        raise MalformedAnswer("it holds neither a question bank nor a quiz", where=name)
    package.used.add(name)
    title = _fields(child(bank, "qtimetadata")).get("bank_title") or bank.get("title")
    sort = "question_bank" if local(bank) == "objectbank" else None
    count = sum(1 for _ in descendants(bank, "item"))
    data = {"title": title, "quiz_type": sort, "question_count": count, "extra": {"metadata": _metadata(bank)}}
    yield package.sheet.record(Kind.QUIZZES, id_, data, basis="question banks")
    yield from _questions(package, id_, bank, name)


def loose_banks(package: Package) -> Iterator[Part]:
    """Yield the question banks that Canvas keeps beside the quizzes."""
    for name in package.documents.container.entries:
        if name.startswith(_FOLDER) and name.endswith(".xml.qti") and name not in package.used:
            id_ = name.removeprefix(_FOLDER).removesuffix(".xml.qti")
            yield from package.guarded(Kind.QUIZZES, id_, bank_parts(package, id_, name), count=1)


def _quiz(package: Package, id_: str, assessment: Element | None, meta: Element | None) -> dict[str, Any]:
    fields = _metadata(assessment)
    minutes = number(text_of(meta, "time_limit") or fields.get("qmd_timelimit"))
    attempts = text_of(meta, "allowed_attempts") or fields.get("cc_maxattempts")
    data: dict[str, Any] = {
        "title": text_of(meta, "title") or (None if assessment is None else assessment.get("title")),
        "description_html": text_of(meta, "description"),
        "quiz_type": text_of(meta, "quiz_type"),
        "points_possible": number(text_of(meta, "points_possible")),
        "time_limit_seconds": None if minutes is None else int(minutes * 60),
        "allowed_attempts": -1 if attempts == "unlimited" else whole(attempts),
        "scoring_policy": text_of(meta, "scoring_policy"),
        "extra": {"metadata": fields},
    }
    for key in ("unlock_at", "due_at", "lock_at"):
        data[key] = package.sheet.time(moment, text_of(meta, key), f"{id_}/{key}")
    if meta is not None:
        data["extra"]["assessment_meta"] = tree(meta)
        data["published"] = {"true": True, "false": False}.get(text_of(meta, "available") or "")
    return data


def _questions(package: Package, quiz_id: str, root: Element | None, name: str) -> Iterator[Part]:
    seen: set[str] = set()
    for position, (item, group) in enumerate(_items(root, None), start=1):
        id_ = f"{quiz_id}-{item.get('ident') or f'#{position}'}"
        if id_ in seen:
            id_ += f"#{position}"
        seen.add(id_)
        fields = _metadata(item)
        data: dict[str, Any] = {
            "quiz_id": quiz_id,
            "group_id": group,
            "position": position,
            "name": item.get("title"),
            "type": fields.get("question_type") or fields.get("cc_profile"),
            "text_html": _material(child(item, "presentation")),
            "points_possible": number(fields.get("points_possible") or fields.get("cc_weighting")),
            "answers": [_answer(label) for label in descendants(child(item, "presentation"), "response_label")],
            "extra": {"item": tree(item)},
        }
        yield package.sheet.record(Kind.QUIZ_QUESTIONS, id_, data, basis=name.partition("/")[0])


def _items(element: Element | None, group: str | None) -> Iterator[tuple[Element, str | None]]:
    """Yield the questions in order, each with the group that it is drawn from."""
    for each in element if element is not None else ():
        if local(each) == "item":
            yield each, group
        elif local(each) == "section":
            drawn = child(each, "selection_ordering") is not None
            yield from _items(each, each.get("ident") if drawn else group)


def _group(section: Element) -> dict[str, Any]:
    drawn = child(section, "selection_ordering")
    return {
        "id": section.get("ident"),
        "title": section.get("title"),
        "selection": None if drawn is None else tree(drawn),
    }


def _answer(label: Element) -> dict[str, Any]:
    return {"id": label.get("ident"), "text": _material(label)}


def _material(element: Element | None) -> str | None:
    """Return the text of the first material that belongs to an element itself, or to the flow that it is in."""
    for each in element if element is not None else ():
        if local(each) == "material":
            texts = [found for found in each.iter() if local(found) == "mattext"]
            return "".join("".join(text.itertext()) for text in texts) or None
        if local(each).startswith("flow") and (text := _material(each)) is not None:
            return text
    return None


def _metadata(element: Element | None) -> dict[str, str]:
    found = _fields(child(element, "qtimetadata"))
    return found | _fields(child(element, "itemmetadata", "qtimetadata"))


def _fields(metadata: Element | None) -> dict[str, str]:
    pairs = (
        (text_of(each, "fieldlabel"), text_of(each, "fieldentry")) for each in children(metadata, "qtimetadatafield")
    )
    return {label: entry for label, entry in pairs if label is not None and entry is not None}
