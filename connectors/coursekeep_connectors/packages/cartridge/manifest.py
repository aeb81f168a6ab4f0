"""The manifest of a cartridge: its resources and its outline."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from coursekeep_connectors.packages.documents import child, children, descendants
from coursekeep_connectors.packages.package import Package

__all__ = ["MANIFEST", "Manifest", "Resource"]

MANIFEST = "imsmanifest.xml"
#: languages of the HTML that is a page, where no LMS says which pages are
_PAGES = (".html", ".htm", ".xhtml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A resource. `key` is its identifier, made unique where a manifest uses one twice."""

    key: str
    id: str
    type: str
    href: str | None
    files: tuple[str, ...]
    needs: tuple[str, ...]
    use: str | None
    #: the entry that it begins with: the first that is in the package; where none is, the first that is named
    first: str | None
    #: resource that this one stands in for, for readers of older versions
    stands_for: str | None


@dataclass
class Manifest:
    """A manifest, its names resolved to entries of the package."""

    package: Package
    root: Element
    _keys: dict[str, int] = field(default_factory=dict)

    @cached_property
    def resources(self) -> list[Resource]:
        """Return all resources in order."""
        found = descendants(child(self.root, "resources"), "resource")
        return [self._resource(element) for element in found]

    @cached_property
    def by_id(self) -> dict[str, Resource]:
        """Return the resources by identifier; of several with one identifier, the first."""
        return {resource.id: resource for resource in reversed(self.resources)}

    @cached_property
    def from_canvas(self) -> bool:
        """Tell whether Canvas wrote the package."""
        return any(name.startswith("course_settings/") for name in self.package.documents.container.entries)

    def items(self) -> Iterator[Element]:
        """Yield the top items of the outline: those below the one root that has neither title nor content."""
        for organization in descendants(child(self.root, "organizations"), "organization"):
            for item in children(organization, "item"):
                if child(item, "title") is None and not item.get("identifierref"):
                    yield from children(item, "item")
                else:
                    yield item

    def needed(self, resource: Resource) -> Iterator[Resource]:
        """Yield the resources that one depends on."""
        return (self.by_id[id_] for id_ in resource.needs if id_ in self.by_id)

    def companion(self, resource: Resource, ending: str) -> str | None:
        """Return the entry of a resource, or of one that it needs, whose name ends so."""
        owned = [*resource.files, *(name for needed in self.needed(resource) for name in needed.files)]
        return next((name for name in owned if name.endswith(ending) and self.package.documents.has(name)), None)

    def is_page(self, resource: Resource) -> bool:
        """Tell whether web content is a page: in Canvas's exports by its folder, in others by its name."""
        name = resource.first
        if name is None or not resource.type.startswith("webcontent"):
            return False
        if self.from_canvas:
            return name.startswith("wiki_content/")
        return name.lower().endswith(_PAGES)

    def _resource(self, element: Element) -> Resource:
        id_ = element.get("identifier", "")
        self._keys[id_] = self._keys.get(id_, 0) + 1
        base = element.get("{http://www.w3.org/XML/1998/namespace}base", "")
        variant = child(element, "variant")
        href = self._entry(base + element.get("href", "")) if element.get("href") else None
        files = tuple(self._entry(base + file.get("href", "")) for file in children(element, "file"))
        named = [*([href] if href else []), *files]
        return Resource(
            key=id_ if self._keys[id_] == 1 else f"{id_}#{self._keys[id_]}",
            id=id_,
            type=element.get("type", ""),
            href=href,
            files=files,
            first=next((name for name in named if self.package.documents.has(name)), named[0] if named else None),
            needs=tuple(need.get("identifierref", "") for need in children(element, "dependency")),
            use=element.get("intendeduse"),
            stands_for=None if variant is None else variant.get("identifierref"),
        )

    def _entry(self, href: str) -> str:
        """Return the entry that an address means: as it stands, without its escapes, or in another normal form."""
        plain = "/".join(part for part in href.replace("\\", "/").split("/") if part not in ("", "."))
        tries = [plain, unquote(plain)]
        tries += [unicodedata.normalize(form, unquote(plain)) for form in ("NFC", "NFD")]
        return next((name for name in tries if self.package.documents.has(name)), unquote(plain))
