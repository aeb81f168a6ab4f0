"""RO-Crate 1.2: the machine-readable description that a stranger's tools open first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coursekeep import MODELS, Kind
from coursekeep_daemon.package.completeness import Completeness
from coursekeep_daemon.package.jsontext import rfc3339, to_line

__all__ = ["Described", "StoredFiles", "metadata", "relative"]

_CONTEXT = "https://w3id.org/ro/crate/1.2/context"
_PROFILE = "https://w3id.org/ro/crate/1.2"

#: gives the records of stored files, as often as asked
StoredFiles = Callable[[], Iterator[dict[str, Any]]]

_DIRECTORIES = {
    "records/": "Normalised records, one kind a file, one record a line.",
    "schemas/": "JSON Schemas of the record files.",
    "files/": "Files of the course, its submissions and discussions, as the LMS delivered them.",
    "native/": "The LMS's own answers and exports.",
    "provenance/": "How this version came about, and what was removed from it.",
}
_DOCUMENTS = {
    "README.txt": ("Guide to this package", "text/plain"),
    "course.json": ("Description of the course", "application/json"),
    "completeness.json": ("What was expected, captured and missed, per kind", "application/json"),
    "gaps.jsonl": ("Everything that could not be captured", "application/jsonl"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What the texts about a version need to know."""

    #: as in course.json
    course: Mapping[str, Any]
    completeness: Completeness
    organization: str
    software: str
    version: int
    created: datetime
    object_id: str

    @property
    def title(self) -> str:
        """Return the course's name with its code."""
        code, name = self.course["code"], self.course["name"]
        return f"{code} - {name}" if code and code != name else str(name)


def relative(path: str) -> str:
    """Return a path below data/ as a relative web address."""
    return quote(path.encode("utf-8", "replace"))


def metadata(described: Described, sizes: Mapping[str, int], stored: StoredFiles) -> Iterator[bytes]:
    """Yield ro-crate-metadata.json, one entity a line. `sizes` are the paths below data/ written so far."""
    directories = [name for name in _DIRECTORIES if any(path.startswith(name) for path in sizes)]
    yield b'{"@context":' + to_line(_CONTEXT).strip() + b',"@graph":[\n'
    yield to_line(
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": _PROFILE},
            "about": {"@id": "./"},
        }
    )
    for entity in (*_root(described, directories), *_documents(sizes)):
        yield b"," + to_line(entity)
    yield from _datasets(directories, sizes, stored)
    for record in stored():
        if record["path"] is not None:
            yield b"," + to_line(_file(record))
    yield b"]}\n"


def _root(described: Described, directories: list[str]) -> Iterator[dict[str, Any]]:
    course = described.course
    term = f", {course['term']['name']}" if course["term"]["name"] else ""
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": described.title,
        "description": f"The course {described.title}{term}, archived from a learning management system. "
        f"Version {described.version} of package {described.object_id}; completeness: "
        f"{described.completeness.status}, gaps: {described.completeness.gaps}.",
        "identifier": described.object_id,
        "version": str(described.version),
        "datePublished": rfc3339(described.created),
        "license": f"Institutional record of {described.organization}. It holds personal data; "
        "access and use are decided by that institution.",
        "publisher": {"@id": "#organization"},
        "hasPart": [{"@id": name} for name in (*_DOCUMENTS, *directories)],
        "mentions": {"@id": "#software"},
    }
    yield {"@id": "#organization", "@type": "Organization", "name": described.organization}
    name, _, version = described.software.partition("/")
    yield {"@id": "#software", "@type": "SoftwareApplication", "name": name, "softwareVersion": version}


def _documents(sizes: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    for path, (name, media_type) in _DOCUMENTS.items():
        yield {
            "@id": path,
            "@type": "File",
            "name": name,
            "encodingFormat": media_type,
            **({"contentSize": str(sizes[path])} if path in sizes else {}),
        }
    for path, size in sorted(sizes.items()):
        if path.startswith(("records/", "schemas/", "native/api/", "provenance/")):
            yield {"@id": relative(path), "@type": "File", "contentSize": str(size), **_about(path)}


def _about(path: str) -> dict[str, Any]:
    directory, _, name = path.partition("/")
    kind = name.split(".")[0]
    if directory == "records":
        return {
            "name": f"Records: {kind}",
            "description": " ".join((MODELS[Kind(kind)].__doc__ or "").split()),
            "encodingFormat": "application/jsonl",
            "conformsTo": {"@id": f"schemas/{kind}.schema.json"},
        }
    if directory == "schemas":
        return {"name": f"Schema of the records: {kind}", "encodingFormat": "application/schema+json"}
    media_type = "application/json" if name.endswith(".json") else "application/jsonl"
    return {"name": name.rpartition("/")[2], "encodingFormat": media_type}


def _datasets(directories: list[str], sizes: Mapping[str, int], stored: StoredFiles) -> Iterator[bytes]:
    for directory in directories:
        head = {"@id": directory, "@type": "Dataset", "name": directory[:-1], "description": _DIRECTORIES[directory]}
        # the list is written piece by piece: a course may have very many files
        yield b"," + to_line(head).rstrip(b"}\n") + b',"hasPart":['
        separator = b""
        for path in _parts(directory, sizes, stored):
            yield separator + to_line({"@id": relative(path)}).strip()
            separator = b","
        yield b"]}\n"


def _parts(directory: str, sizes: Mapping[str, int], stored: StoredFiles) -> Iterator[str]:
    if directory != "files/":
        yield from sorted(path for path in sizes if path.startswith(directory))
    else:
        yield from (
            record["path"] for record in stored() if record["path"] is not None and record["path"].startswith("files/")
        )


def _file(record: Mapping[str, Any]) -> dict[str, Any]:
    entity = {
        "@id": relative(record["path"]),
        "@type": "File",
        "name": record["name"],
        "contentSize": str(record["size"]),
        "sha512": record["sha512"],
    }
    if record.get("content_type"):
        entity["encodingFormat"] = record["content_type"]
    if record.get("updated_at"):
        entity["dateModified"] = record["updated_at"]
    return entity
