"""Files of Moodle: known by their addresses, since they have no ids in the web services."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from coursekeep import FileAuth, RemoteFile
from coursekeep_connectors.moodle.values import Json, moment, pick, text, truth, whole

if TYPE_CHECKING:
    from coursekeep_connectors.moodle.calls import Calls

__all__ = ["addresses_in", "file_of", "id_of_address"]

_PLACE = re.compile(r"/(?:webservice/)?pluginfile\.php/(\d+)/([a-z0-9_]+)/([a-z0-9_]+)/(.+)")
#: an address of a file within text; it ends where text around an address goes on
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\()]*?/(?:webservice/)?pluginfile\.php/[^\s\"'<>\\)]+")
_EXTRA = ("author", "license", "isexternalfile", "repositorytype", "sortorder", "tags")


def id_of_address(url: str) -> str | None:
    """Return the id of the file at an address: context, component, area, and a digest of the rest; None for others."""
    found = _PLACE.search(urlsplit(url).path)
    if found is None:
        return None
    context, component, area, rest = found.groups()
    digest = hashlib.sha256(unquote(rest).encode()).hexdigest()[:16]
    return f"{context}-{component}-{area}-{digest}"


def file_of(item: Json, calls: Calls, *, group: str, owner: str | None = None) -> RemoteFile:
    """Map a file object. Raises ValueError where it has no address that can be used."""
    given = text(item.get("fileurl")) or text(item.get("url")) or ""
    address = calls.relocated(given)
    file_id = id_of_address(address)
    if file_id is None:
        raise ValueError("it has no address of Moodle's")
    split = urlsplit(address)
    query = [(key, value) for key, value in parse_qsl(split.query) if key not in ("token", "forcedownload")]
    if truth(item.get("isexternalfile")):
        query.append(("offline", "1"))  # Moodle fetches it from the repository that it lives in
    name = text(item.get("filename")) or unquote(split.path.rsplit("/", 1)[1])
    return RemoteFile(
        group=group,
        id=file_id,
        name=name,
        url=urlunsplit(split._replace(query=urlencode(query))),
        auth=FileAuth.TOKEN if calls.owns(address) else FileAuth.NONE,
        # Generated pages are listed with 0 bytes, though they have a body.
        size=whole(item.get("filesize")) or None,
        content_type=text(item.get("mimetype")) or None,
        folder=text(item.get("filepath")),
        created_at=moment(item.get("timecreated")),
        updated_at=moment(item.get("timemodified")),
        person_id=owner or _author(item),
        extra=pick(item, *_EXTRA),
    )


def _author(item: Json) -> str | None:
    found = text(item.get("userid"))
    return found if found and found != "0" else None


def addresses_in(value: Any, calls: Calls) -> Iterator[str]:
    """Yield the addresses of this site's files within texts, at any depth."""
    if isinstance(value, str):
        if "pluginfile.php" in value:
            # JSON within text escapes its slashes.
            for found in _ADDRESS.findall(value.replace("\\/", "/")):
                address = calls.relocated(found.replace("&amp;", "&"))
                if calls.owns(address) and "/tokenpluginfile.php/" not in address:
                    yield address
    elif isinstance(value, dict):
        for inner in value.values():
            yield from addresses_in(inner, calls)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from addresses_in(inner, calls)
