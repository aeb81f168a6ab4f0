"""How much is in a course package, counted without the product: plain zipfile, tarfile and ElementTree.

What is counted as what follows docs/reference/packages-on-disk.md, in as few words as possible.
"""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ["count_package"]

_NEUTRAL = ("course", "category")


def count_package(path: Path) -> Counter[str]:
    """Return the number of records of each kind that a package holds; files include those that are listed alone."""
    entries = _entries(path)
    counts = _moodle(entries) if "moodle_backup.xml" in entries else _cartridge(entries)
    counts["native_exports"] = 1
    return Counter({kind: count for kind, count in counts.items() if count})


def _entries(path: Path) -> dict[str, bytes]:
    data = path.read_bytes()
    if data[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(data)) as source:
            return {info.filename: source.read(info) for info in source.infolist() if not info.is_dir()}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]


def _xml(data: bytes) -> Element:
    root = ElementTree.fromstring(data)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.attrib = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    return root


def _cartridge(entries: dict[str, bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()
    manifest = _xml(entries["imsmanifest.xml"])
    canvas = any(name.startswith("course_settings/") for name in entries)
    documents = {"imsmanifest.xml"}
    listed: set[str] = set()
    assessments: set[str] = set()
    by_id = {each.get("identifier"): each for each in reversed(manifest.findall("./resources/resource"))}
    refs = {item.get("identifierref") for item in manifest.findall("./organizations//item")}
    for resource in manifest.findall("./resources/resource"):
        type_, id_ = resource.get("type", ""), resource.get("identifier", "")
        names = [unquote(each.get("href", "")) for each in resource.findall("file")]
        names += [unquote(href)] if (href := resource.get("href")) else []
        present = [name for name in names if name in entries]
        listed |= set(names)
        first = present[0] if present else ""
        if resource.find("variant") is not None:
            documents |= set(present)
        elif type_ == "webcontent" and (first.startswith("wiki_content/") if canvas else first.endswith(".html")):
            counts["pages"] += 1
            documents |= {first} if canvas else set()
        elif type_.startswith("assignment_") or any(name.endswith("assignment_settings.xml") for name in names):
            counts["assignments"] += 1
            documents |= set(present)
        elif type_.startswith("imsdt"):
            counts["discussions"] += 1
            documents.add(first)
            for need in resource.findall("dependency"):
                meta = by_id[need.get("identifierref")].find("file").get("href")  # type: ignore[union-attr]
                documents.add(str(meta))
                counts["assignments"] += len(_xml(entries[str(meta)]).findall("assignment"))
        elif type_.startswith(("imswl", "imsbasiclti")):
            counts["structure"] += id_ not in refs
            documents.add(first)
        elif type_.endswith("/assessment"):
            assessments.add(id_)
            documents |= set(present)
    for name in entries:
        if name.endswith("assessment_meta.xml"):
            counts["assignments"] += len(_xml(entries[name]).findall("assignment"))
            documents.add(name)
        if name.endswith(".xml.qti"):
            counts["quizzes"] += 1
            counts["quiz_questions"] += len(_xml(entries[name]).findall(".//item"))
            documents.add(name)
    counts += _canvas_settings(entries, documents)
    counts["structure"] += _outline(entries, manifest)
    litter = ("__MACOSX/", ".DS_Store")
    bare = {name for name in entries if not any(part in name for part in litter)}
    counts["files"] = len((bare | listed) - documents)
    counts["settings"] += 2  # the package itself, and the metadata of the manifest
    return counts


def _canvas_settings(entries: dict[str, bytes], documents: set[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    lists = {
        "assignment_groups.xml": ("assignment_groups", "assignmentGroup"),
        "rubrics.xml": ("rubrics", "rubric"),
        "events.xml": ("calendar_events", "event"),
        "learning_outcomes.xml": ("outcomes", "learningOutcome"),
    }
    for name in [name for name in entries if name.startswith("course_settings/") and name.endswith((".xml", ".html"))]:
        documents.add(name)
        file_name = name.rpartition("/")[2]
        if file_name in lists:
            kind, tag = lists[file_name]
            counts[kind] += len(_xml(entries[name]).findall(f".//{tag}"))
        elif file_name != "module_meta.xml":
            counts["settings"] += 1
    return counts


def _outline(entries: dict[str, bytes], manifest: Element) -> int:
    items = manifest.findall("./organizations//item")
    wrappers = [each for each in manifest.findall("./organizations/organization/item") if each.find("title") is None]
    known = {each.get("identifier") for each in items}
    meta = entries.get("course_settings/module_meta.xml")
    modules = [] if meta is None else [*_xml(meta).iter("module"), *_xml(meta).iter("item")]
    return len(items) - len(wrappers) + sum(each.get("identifier") not in known for each in modules)


def _moodle(entries: dict[str, bytes]) -> Counter[str]:
    counts: Counter[str] = Counter()

    def root(name: str) -> Element:
        return _xml(entries[name]) if name in entries else Element("none")

    counts["people"] = len(root("users.xml").findall("user"))
    enrolled = Counter(each.findtext("userid") for each in root("course/enrolments.xml").iter("enrolment"))
    roles = Counter(each.findtext("userid") for each in root("course/roles.xml").findall("role_assignments/assignment"))
    counts["enrollments"] = enrolled.total() + sum(max(0, times - enrolled[who]) for who, times in roles.items())
    counts["groups"] = len(root("groups.xml").findall("group"))
    counts["completions"] = len(root("completion.xml").findall("course_completions"))
    counts["assignment_groups"] = len(root("gradebook.xml").findall("grade_categories/grade_category"))
    counts["quiz_questions"] = len(root("questions.xml").findall(".//questions/question"))
    counts["quizzes"] = len(root("questions.xml").findall("question_category"))
    counts["files"] = sum(each.findtext("filename") != "." for each in root("files.xml").findall("file"))
    counts["settings"] = 5 if "course/course.xml" in entries else 4
    counts["structure"] = sum(name.endswith("/section.xml") for name in entries)
    for item in root("gradebook.xml").findall("grade_items/grade_item"):
        counts[_graded_kind(item)] += len(item.findall("grade_grades/grade_grade"))
        counts["assignments"] += item.findtext("itemtype") not in _NEUTRAL
    for directory in {"/".join(name.split("/")[:2]) for name in entries if name.startswith("activities/")}:
        counts += _activity(directory, root)
    return counts


def _graded_kind(item: Element) -> str:
    return "grades" if item.findtext("itemtype") in _NEUTRAL else "submissions"


def _activity(directory: str, root: object) -> Counter[str]:
    counts: Counter[str] = Counter({"structure": 1})
    name = directory.rpartition("/")[2].rpartition("_")[0]
    main = root(f"{directory}/{name}.xml")  # type: ignore[operator]
    grades = root(f"{directory}/grades.xml")  # type: ignore[operator]
    people = {each.findtext("userid") for each in [*main.iter("submission"), *main.findall("assign/grades/grade")]}
    people.discard(None)
    for item in grades.iter("grade_item"):
        given = item.findall("grade_grades/grade_grade")
        if name == "assign":
            people |= {each.findtext("userid") for each in given}
        else:
            counts["submissions"] += len(given)
            counts["assignments"] += 1
    counts["submissions"] += len(people) if name == "assign" else 0
    counts["assignments"] += name == "assign"
    counts["quizzes"] += name == "quiz"
    counts["pages"] += name == "page"
    counts["discussions"] += len(list(main.iter("discussion")))
    counts["posts"] += len(list(main.iter("post"))) - len(list(main.iter("discussion")))
    counts["quiz_attempts"] += len(main.findall("quiz/attempts/attempt"))
    counts["rubrics"] += len(root(f"{directory}/grading.xml").findall("area/definitions/definition"))  # type: ignore[operator]
    counts["completions"] += len(root(f"{directory}/completion.xml").findall("completion"))  # type: ignore[operator]
    return counts
