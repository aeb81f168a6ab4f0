"""Folders and files: what they are called, where they lie, and where their bytes are to be had."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc, StoredFile
from coursekeep_campus.replies import Reply, not_found
from coursekeep_campus.router import Routes
from coursekeep_campus.routes_groups import group_space

__all__ = ["routes"]

routes = Routes()


@routes.get("courses/{course}/folders", part="files")
def folders(call: Call) -> Reply:
    """List all folders, flat."""
    return call.page(call.content.folders)


@routes.get("courses/{course}/folders/root", part="files")
def root(call: Call) -> Reply:
    """Show the folder that holds all others."""
    return call.reply(call.content.folders[0])


@routes.get("courses/{course}/files", part="files")
def files(call: Call) -> Reply:
    """List the files of a course, but not those of hidden and submission folders."""
    found = [file for file in call.content.files if not file.folder_only]
    return call.page(_sorted(call, found), lambda file: _file(call, file))


@routes.get("courses/{course}/files/quota", part="files")
def quota(call: Call) -> Reply:
    """Tell how much of the quota is used."""
    used = sum(file.content.size for file in call.content.files)
    return call.reply({"quota": 524_288_000, "quota_used": used})


@routes.get("courses/{course}/files/{file}", part="files")
def course_file(call: Call) -> Reply:
    """Show a file of the course."""
    course, found = call.state.directory.file(call.number("file"))
    if course is not call.course:
        raise not_found()
    return call.reply(_file(call, found))


@routes.get("groups/{group}/folders")
def group_folders(call: Call) -> Reply:
    """List the folders of a group."""
    return call.page(group_space(call).folders)


@routes.get("groups/{group}/files")
def group_files(call: Call) -> Reply:
    """List the files of a group."""
    return call.page(group_space(call).files, lambda file: _file(call, file))


@routes.get("folders/{folder}")
def folder(call: Call) -> Reply:
    """Show a folder."""
    course, doc = call.state.directory.folder(call.number("folder"))
    call.enter(course.id)
    return call.reply(doc)


@routes.get("folders/{folder}/folders")
def folder_folders(call: Call) -> Reply:
    """List the folders inside a folder."""
    course, doc = call.state.directory.folder(call.number("folder"))
    call.enter(course.id)
    return call.page([f for f in course.content.folders if f["parent_folder_id"] == doc["id"]])


@routes.get("folders/{folder}/files")
def folder_files(call: Call) -> Reply:
    """List the files inside a folder, also those that the list of the course leaves out."""
    course, doc = call.state.directory.folder(call.number("folder"))
    call.enter(course.id)
    if doc["id"] in course.content.closed_folders:
        raise call.no_right()
    found = [file for file in course.content.all_files() if file.doc["folder_id"] == doc["id"]]
    return call.page(_sorted(call, found), lambda file: _file(call, file))


@routes.get("files/{file}")
def file(call: Call) -> Reply:
    """Show a file."""
    course, found = call.state.directory.file(call.number("file"))
    call.enter(course.id)
    return call.reply(_file(call, found))


@routes.get("files/{file}/public_url", keep=False)
def public_url(call: Call) -> Reply:
    """Give a signed address that is good for minutes."""
    course, found = call.state.directory.file(call.number("file"))
    call.enter(course.id)
    if found.doc["locked_for_user"]:
        raise call.no_right()
    return call.reply({"public_url": call.state.signer.address(found)})


def _sorted(call: Call, found: list[StoredFile]) -> list[StoredFile]:
    name = call.value("sort") or "name"
    key = {"name": "display_name", "size": "size", "created_at": "created_at", "updated_at": "updated_at"}.get(
        name, "id"
    )
    return sorted(found, key=lambda file: (file.doc[key], file.id), reverse=call.value("order") == "desc")


def _file(call: Call, file: StoredFile) -> Doc:
    doc = dict(file.doc)
    if "user" in call.includes:
        doc.setdefault("user", {"id": 2, "display_name": "Teacher 01", "anonymous_id": "t2"})
    if "usage_rights" in call.includes:
        doc.setdefault("usage_rights", None)
    return doc
