"""Content exports and the progress of what takes longer."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.exports import EXPORT_TYPES, Export
from coursekeep_campus.replies import Reply, bad_request, not_found
from coursekeep_campus.router import Routes

__all__ = ["routes"]

routes = Routes()


@routes.post("courses/{course}/content_exports")
def start(call: Call) -> Reply:
    """Start an export."""
    kind = call.value("export_type")
    assert call.course
    if kind not in EXPORT_TYPES:
        raise bad_request({"message": "invalid export_type"})
    export = call.state.exports.start(call.course, kind, call.caller.user_id)
    return call.reply(call.state.exports.describe(export))


@routes.get("courses/{course}/content_exports", keep=False)
def exports(call: Call) -> Reply:
    """List the exports of a course, the newest first."""
    return call.page(call.state.exports.of_course(call.course), call.state.exports.describe)


@routes.get("courses/{course}/content_exports/{export}", keep=False)
def export(call: Call) -> Reply:
    """Show an export; the attachment is there once it is done."""
    found = call.state.exports.get(call.number("export"))
    if found.course is not call.course:
        raise not_found()
    return call.reply(call.state.exports.describe(found))


@routes.get("progress/{progress}", keep=False)
def progress(call: Call) -> Reply:
    """Show how far an export is; each look takes it one step further."""
    found: Export = call.state.exports.get(call.number("progress"))
    shown = call.state.exports.progress(found)
    file = call.state.exports.advance(found)
    if file is not None:
        call.state.directory.add_file(found.course, file)
    return call.reply(shown)
