"""Goes through a cartridge: every resource becomes records, files or a gap."""

from __future__ import annotations

from collections.abc import Iterator

from coursekeep import Kind, MalformedAnswer, Part
from coursekeep_connectors.packages.cartridge.assessments import bank_parts, loose_banks, quiz_parts
from coursekeep_connectors.packages.cartridge.course import course_parts
from coursekeep_connectors.packages.cartridge.manifest import MANIFEST, Manifest, Resource
from coursekeep_connectors.packages.cartridge.outline import link_parts, outline_parts
from coursekeep_connectors.packages.cartridge.pages import page_parts, topic_parts
from coursekeep_connectors.packages.cartridge.work import assignment_parts, is_assignment
from coursekeep_connectors.packages.package import Package

__all__ = ["read_cartridge"]

#: what each sort of resource is, where its document cannot be read
_KINDS = {
    "imsdt": Kind.DISCUSSIONS,
    "imswl": Kind.STRUCTURE,
    "imsbasiclti": Kind.STRUCTURE,
    "imsqti": Kind.QUIZZES,
    "assignment": Kind.ASSIGNMENTS,
}


def read_cartridge(package: Package) -> Iterator[Part]:
    """Yield the records and files of a cartridge. Raises `MalformedAnswer` where its manifest cannot be read."""
    manifest = Manifest(package, package.documents.xml(MANIFEST))
    package.used.add(MANIFEST)
    yield from course_parts(package, manifest)
    for resource in manifest.resources:
        kind = next((kind for name, kind in _KINDS.items() if resource.type.startswith(name)), Kind.PAGES)
        yield from package.guarded(kind, resource.key, _resource(package, manifest, resource), count=1)
    yield from loose_banks(package)
    yield from package.guarded(Kind.STRUCTURE, MANIFEST, outline_parts(package, manifest))
    yield from _files(package, manifest)
    yield from package.rest()


def _resource(package: Package, manifest: Manifest, resource: Resource) -> Iterator[Part]:
    if resource.stands_for is not None:
        package.used.update(name for name in resource.files if package.documents.has(name))
    elif manifest.is_page(resource):
        yield from page_parts(package, manifest, resource)
    elif is_assignment(resource):
        yield from assignment_parts(package, manifest, resource)
    elif resource.type.startswith("imsdt"):
        yield from topic_parts(package, manifest, resource)
    elif resource.type.endswith("/assessment"):
        yield from quiz_parts(package, manifest, resource)
    elif resource.type.endswith("/question-bank"):
        yield from bank_parts(package, resource.id, _document(resource))
    elif resource.type.startswith(("imswl", "imsbasiclti")):
        yield from link_parts(package, manifest, resource, _document(resource))


def _document(resource: Resource) -> str:
    """Return the entry that holds a resource. Raises `MalformedAnswer` where it names none."""
    if resource.first is None:
        raise MalformedAnswer("the manifest names no file for it", where=resource.id)
    return resource.first


def _files(package: Package, manifest: Manifest) -> Iterator[Part]:
    """Yield the files of the resources that are not documents; those that are listed but missing too."""
    for resource in manifest.resources:
        for name in dict.fromkeys((*resource.files, *([resource.href] if resource.href else []))):
            if name not in package.used and name:
                yield package.file(name)
