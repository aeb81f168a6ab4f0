"""Connectors that are mostly declaration: base URL, credentials, paging, and the lists that an LMS has.

::

    class Slate(RestConnector[ConnectorSettings]):
        name = "slate"
        title = "Slate"
        paging = NextUrl("next")
        course_list = Courses(path="/api/courses", key="items", one="/api/courses/{course_id}", fields={...})
        streams = (
            Stream(name="pages", path="/api/courses/{course_id}/pages", key="items", kind=Kind.PAGES, fields={...}),
            Files(name="files", path="/api/courses/{course_id}/files", key="items"),
        )

The way of an export: `connector` -> `export` -> `lists` (asked for, page by page) -> `mapping` (field by field) ->
`ledger` (counted). What cannot be read is a gap, and what is expected is always what was captured and what gaps
account for.
"""

from coursekeep.rest.auth import (
    Auth,
    BasicAuth,
    BasicSettings,
    BearerAuth,
    ClientCredentialsAuth,
    ClientCredentialsSettings,
    HeaderAuth,
)
from coursekeep.rest.connector import RestConnector
from coursekeep.rest.fields import Choice, Constant, Each, Parent, Source, Whole
from coursekeep.rest.listing import Courses, EndRule, Terms
from coursekeep.rest.paging import Cursor, LinkHeader, NextUrl, OffsetLimit, OnePage, PageNumber, Paging
from coursekeep.rest.places import Json, Params, Place
from coursekeep.rest.streams import SWITCHED_OFF, Endpoint, Files, Index, Stream, SwitchedOff, Total, Unread

__all__ = [
    "SWITCHED_OFF",
    "Auth",
    "BasicAuth",
    "BasicSettings",
    "BearerAuth",
    "Choice",
    "ClientCredentialsAuth",
    "ClientCredentialsSettings",
    "Constant",
    "Courses",
    "Cursor",
    "Each",
    "EndRule",
    "Endpoint",
    "Files",
    "HeaderAuth",
    "Index",
    "Json",
    "LinkHeader",
    "NextUrl",
    "OffsetLimit",
    "OnePage",
    "PageNumber",
    "Paging",
    "Params",
    "Parent",
    "Place",
    "RestConnector",
    "Source",
    "Stream",
    "SwitchedOff",
    "Terms",
    "Total",
    "Unread",
    "Whole",
]
