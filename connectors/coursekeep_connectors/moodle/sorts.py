"""The types of activities that Moodle's core has, and how each is read."""

from __future__ import annotations

from coursekeep_connectors.moodle.activities import Sort

__all__ = ["APART", "SORTS"]

#: read by modules of their own
APART = frozenset({"assign", "forum", "label", "page", "quiz"})

SORTS: dict[str, Sort] = {
    "book": Sort(function="mod_book_get_books_by_courses", key="books"),
    "folder": Sort(function="mod_folder_get_folders_by_courses", key="folders"),
    "imscp": Sort(function="mod_imscp_get_imscps_by_courses", key="imscps"),
    "resource": Sort(function="mod_resource_get_resources_by_courses", key="resources"),
    "url": Sort(function="mod_url_get_urls_by_courses", key="urls"),
    "subsection": Sort(),
    "qbank": Sort(),
}
