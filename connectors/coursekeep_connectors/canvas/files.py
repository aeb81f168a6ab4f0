"""Folders and files, attachments and media.

The list of a course's files misses some that are hidden or belong to submissions, so every folder's own count is
compared with what was listed, and the folder itself is asked where they differ. What is still missing is a gap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing
from urllib.parse import parse_qs, unquote_plus, urlsplit

from coursekeep import FileAuth, Gap, GapReason, Kind, NoAccess, NotFound, Part, Record, RemoteFile
from coursekeep_connectors.canvas.courses import moment
from coursekeep_connectors.canvas.reading import Parts, Reading, Space
from coursekeep_connectors.canvas.values import Json, ident, objects, person, pick, text, whole

__all__ = ["attached", "auth_of", "files", "media", "remote_file"]

_EXTRA = (
    "locked", "unlock_at", "lock_at", "hidden", "locked_for_user", "lock_explanation", "modified_at", "media_entry_id",
    "mime_class", "usage_rights", "upload_status", "category", "visibility_level", "folder_id",
)  # fmt: skip


def auth_of(url: str, base_url: str) -> FileAuth:
    """Choose how to ask for a file.

    Canvas is removing verifiers from addresses: then a file on Canvas's host needs the token. An address that has a
    verifier may fail with the token, so it goes without first. Other hosts never see the token.
    """
    here, there = urlsplit(base_url), urlsplit(url)
    if there.netloc and (there.scheme, there.netloc) != (here.scheme, here.netloc):
        return FileAuth.NONE
    return FileAuth.EITHER if "verifier" in parse_qs(there.query) else FileAuth.TOKEN


def remote_file(item: Json, *, group: str, base_url: str, folder: str | None, owner: str | None) -> RemoteFile:
    """Map a file object."""
    user = item.get("user")
    return RemoteFile(
        group=group,
        id=ident(item),
        name=text(item.get("display_name")) or unquote_plus(text(item.get("filename")) or "") or ident(item),
        url=text(item.get("url")) or "",
        auth=auth_of(text(item.get("url")) or "", base_url),
        size=whole(item.get("size")),
        content_type=text(item.get("content-type")),
        folder=folder,
        created_at=moment(item.get("created_at")),
        updated_at=moment(item.get("updated_at")),
        person_id=owner or (person(user.get("id")) if isinstance(user, dict) else None),
        extra=pick(item, *_EXTRA),
    )


def _file(
    reading: Reading, item: Json, *, group: str, folder: str | None = None, owner: str | None = None, **extra: str
) -> Iterator[Part]:
    """Yield one file the first time it is met: to be downloaded, or described and named as a gap where locked."""
    file_id = text(item.get("id"))
    if file_id in reading.files:
        return
    try:
        base_url = reading.settings.base_url
        file = remote_file({**item, **extra}, group=group, base_url=base_url, folder=folder, owner=owner)
    except (TypeError, ValueError) as error:
        yield Gap(kind=Kind.FILES, reason=GapReason.MALFORMED, id=file_id, detail=f"a file without sense: {error}")
        return
    reading.files.add(file.id)
    user = item.get("user")
    named = user.get("display_name") if isinstance(user, dict) and person(user.get("id")) == file.person_id else None
    reading.refer(file.person_id, display_name=named)
    if file.url:
        yield file
    else:
        yield from _withheld(file)


def _withheld(file: RemoteFile) -> Iterator[Part]:
    """Describe a file whose address Canvas withholds: everything but the bytes."""
    data = {
        "group": file.group,
        "name": file.name,
        "path": None,
        "content_type": file.content_type,
        "folder": file.folder,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
        "person_id": file.person_id,
        "extra": {**file.extra, "size": file.size},
    }
    yield Record(kind=Kind.FILES, id=file.id, data=data)
    detail = "locked: Canvas lists the file, but gives no address for it"
    yield Gap(kind=Kind.FILES, reason=GapReason.LOCKED, id=file.id, detail=detail)


def attached(reading: Reading, item: Json, *, group: str, owner: str | None = None) -> Iterator[Part]:
    """Yield the attachments of an object, and count them; files already met are left out."""
    single = item.get("attachment")
    for attachment in [*objects(item.get("attachments")), *([single] if isinstance(single, dict) else [])]:
        if text(attachment.get("id")) not in reading.files:
            reading.expect(Kind.FILES, 1, "attachments")
            yield from _file(reading, attachment, group=group, owner=owner)


def media(reading: Reading, item: Json, *, group: str, owner: str | None = None) -> Iterator[Part]:
    """Yield the recording that an object carries as a `media_comment`."""
    said = item.get("media_comment")
    if not isinstance(said, dict) or not said.get("media_id"):
        return
    file_id = f"media-{said['media_id']}"
    if file_id in reading.files:
        return
    reading.expect(Kind.FILES, 1, "media")
    if not said.get("url"):
        reading.files.add(file_id)
        detail = "a recording of which Canvas gives only the id"
        yield Gap(kind=Kind.FILES, reason=GapReason.NOT_OFFERED, id=file_id, detail=detail)
        return
    named = {"id": file_id, "display_name": said.get("display_name") or file_id, "url": said["url"]}
    typed = {"content-type": said.get("content-type"), "media_entry_id": said["media_id"]}
    yield from _file(reading, {**named, **typed}, group=group, owner=owner)


async def files(reading: Reading, space: Space) -> Parts:
    """Yield the files of a course or group, cross-checked folder by folder."""
    group = "course" if space.group_id is None else "groups"
    folders: dict[str, Json] = {}
    reading.expect(Kind.FILES, 0)
    async for raw, items in reading.pages(f"{space.base}/folders", endpoint=space.endpoint("folders")):
        yield raw
        folders.update((ident(item), pick(item, "full_name", "files_count")) for item in items)
    found: Counter[str] = Counter()
    async with aclosing(_listing(reading, space, folders, found, group)) as parts:
        async for part in parts:
            yield part
    for folder_id, folder in folders.items():
        async with aclosing(_folder(reading, space, folder_id, folder, found, group)) as parts:
            async for part in parts:
                yield part
    reading.expect(Kind.FILES, _total(folders), "folders.files_count")
    reading.expect(Kind.FILES, _surplus(folders, found), "listed, but not counted by its folder")


def _counted(folder: Json) -> int:
    return whole(folder.get("files_count")) or 0


def _total(folders: dict[str, Json]) -> int:
    return sum(map(_counted, folders.values()))


def _surplus(folders: dict[str, Json], found: Counter[str]) -> int:
    """Count the files that were listed beyond what their folders count."""
    return sum(max(0, number - _counted(folders.get(folder_id, {}))) for folder_id, number in found.items())


async def _listing(reading: Reading, space: Space, folders: dict[str, Json], found: Counter[str], group: str) -> Parts:
    """Yield the files of the space's own list; where it may not be read, the folders may still be."""
    params = [("include[]", "user"), ("include[]", "usage_rights")]
    try:
        async for raw, items in reading.pages(f"{space.base}/files", params, endpoint=space.endpoint("files")):
            yield raw
            for item in items:
                for part in _counted_in(reading, item, folders, found, group):
                    yield part
    except (NoAccess, NotFound) as error:
        if not folders:
            raise
        detail = f"the list of files may not be read, its folders were asked one by one: {error}"
        yield Gap(kind=Kind.FILES, reason=GapReason.NO_ACCESS, detail=detail, count=0)


def _counted_in(
    reading: Reading, item: Json, folders: dict[str, Json], found: Counter[str], group: str
) -> Iterator[Part]:
    if text(item.get("id")) in reading.files:
        return
    folder_id = text(item.get("folder_id")) or ""
    found[folder_id] += 1
    folder = text(folders.get(folder_id, {}).get("full_name"))
    yield from _file(reading, item, group=group, folder=folder)


async def _folder(
    reading: Reading, space: Space, folder_id: str, folder: Json, found: Counter[str], group: str
) -> Parts:
    """Ask a folder itself where the list gave fewer files than it counts; name what is missing even then."""
    if found[folder_id] >= _counted(folder):
        return
    reason, said = GapReason.UNEXPLAINED, "it does not list them all"
    params = [("include[]", "user"), ("include[]", "usage_rights")]
    try:
        url, endpoint = f"/api/v1/folders/{folder_id}/files", space.endpoint("files")
        async for raw, items in reading.pages(url, params, endpoint=endpoint):
            yield raw
            for item in items:
                for part in _counted_in(reading, {**item, "folder_id": folder_id}, {folder_id: folder}, found, group):
                    yield part
    except NoAccess as error:
        reason, said = GapReason.NO_ACCESS, str(error)
    except NotFound as error:
        reason, said = GapReason.NOT_FOUND, str(error)
    missing = _counted(folder) - found[folder_id]
    if missing > 0:
        detail = f"folder {folder_id} ({folder.get('full_name')}) counts {_counted(folder)} files: {said}"
        yield Gap(kind=Kind.FILES, reason=reason, id=f"folder-{folder_id}", detail=detail, count=missing)
