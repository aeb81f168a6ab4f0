"""Wiki pages and their revisions, of courses and of groups."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc, Page
from coursekeep_campus.replies import Reply, not_found
from coursekeep_campus.router import Routes
from coursekeep_campus.routes_groups import group_space

__all__ = ["routes"]

routes = Routes("pages")


def _pages(call: Call) -> list[Page]:
    return group_space(call).pages if "group" in call.names else call.content.pages


def _page(call: Call) -> Page:
    """Find a page by slug, by id, or by `page_id:`."""
    text = call.names["page"]
    for page in _pages(call):
        if page.doc["url"] == text or str(page.doc["page_id"]) == text.removeprefix("page_id:"):
            return page
    raise not_found()


@routes.get("courses/{course}/pages")
@routes.get("groups/{group}/pages")
def pages(call: Call) -> Reply:
    """List the pages, without bodies."""
    found = list(_pages(call))
    keys = {"title": "title", "created_at": "created_at", "updated_at": "updated_at"}
    if name := keys.get(call.value("sort")):
        found.sort(key=lambda page: str(page.doc[name]).lower(), reverse=call.value("order") == "desc")
    return call.page(found, lambda page: {name: value for name, value in page.doc.items() if name != "body"})


@routes.get("courses/{course}/pages/{page}")
@routes.get("groups/{group}/pages/{page}")
def page(call: Call) -> Reply:
    """Show a page with its body."""
    return call.reply(_page(call).doc)


@routes.get("courses/{course}/front_page")
@routes.get("groups/{group}/front_page")
def front_page(call: Call) -> Reply:
    """Show the front page; 404 where there is none."""
    for found in _pages(call):
        if found.front:
            return call.reply(found.doc)
    raise not_found()


@routes.get("courses/{course}/pages/{page}/revisions")
@routes.get("groups/{group}/pages/{page}/revisions")
def revisions(call: Call) -> Reply:
    """List the revisions, the latest first, without bodies."""
    return call.page(list(reversed(_page(call).revisions)), _summary)


@routes.get("courses/{course}/pages/{page}/revisions/{revision}")
@routes.get("groups/{group}/pages/{page}/revisions/{revision}")
def revision(call: Call) -> Reply:
    """Show a revision by number or `latest`, with its body unless only a summary is asked for."""
    found = _page(call).revisions
    text = call.names["revision"]
    if text == "latest" and found:
        return call.reply(_summary(found[-1]) if call.flag("summary") else found[-1])
    for doc in found:
        if str(doc["revision_id"]) == text:
            return call.reply(_summary(doc) if call.flag("summary") else doc)
    raise not_found()


def _summary(doc: Doc) -> Doc:
    return {name: value for name, value in doc.items() if name not in ("url", "title", "body")}
