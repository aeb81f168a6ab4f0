"""The CSV files of OneRoster: which are read, what they must hold, and how a row becomes an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coursekeep_connectors.oneroster.roster import Collection
from coursekeep_connectors.oneroster.values import Json

__all__ = ["ATTACHED", "FILES", "FileLayout", "file_name", "shaped"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileLayout:
    """One CSV file."""

    #: columns without which it cannot be read
    required: Sequence[str]
    #: column that names the object itself
    id: str = "sourcedId"
    #: column that names what its rows belong to
    owner: str | None = None
    #: a second such column, which not every version has
    owner2: str | None = None


FILES: Mapping[str, FileLayout] = {
    "academicSessions": FileLayout(required=("sourcedId", "title", "startDate", "endDate")),
    "orgs": FileLayout(required=("sourcedId", "name")),
    "courses": FileLayout(required=("sourcedId", "title")),
    "classes": FileLayout(required=("sourcedId", "title", "schoolSourcedId", "termSourcedIds")),
    "users": FileLayout(required=("sourcedId",)),
    "enrollments": FileLayout(
        required=("sourcedId", "classSourcedId", "userSourcedId", "role"), owner="classSourcedId"
    ),
    "demographics": FileLayout(required=(), owner="userSourcedId"),
    "roles": FileLayout(required=("sourcedId", "userSourcedId"), owner="userSourcedId"),
    "categories": FileLayout(required=("sourcedId", "title")),
    "lineItems": FileLayout(required=("sourcedId", "title", "classSourcedId"), owner="classSourcedId"),
    "results": FileLayout(
        required=("sourcedId", "lineItemSourcedId", "studentSourcedId"),
        owner="lineItemSourcedId",
        owner2="classSourcedId",
    ),
    "scoreScales": FileLayout(required=("sourcedId", "title"), owner="classSourcedId"),
    "lineItemLearningObjectiveIds": FileLayout(required=("lineItemSourcedId",), owner="lineItemSourcedId"),
    "lineItemScoreScales": FileLayout(required=("lineItemSourcedId",), owner="lineItemSourcedId"),
    "resultLearningObjectiveIds": FileLayout(required=("resultSourcedId",), owner="resultSourcedId"),
    "resultScoreScales": FileLayout(required=("resultSourcedId",), owner="resultSourcedId"),
    "classResources": FileLayout(required=("sourcedId", "classSourcedId"), owner="classSourcedId"),
    "courseResources": FileLayout(required=("sourcedId", "courseSourcedId"), owner="courseSourcedId"),
}

#: files whose rows say more about objects of a collection, and have no record of their own
ATTACHED: Mapping[Collection, Sequence[str]] = {
    Collection.CLASSES: ("classResources",),
    Collection.COURSES: ("courseResources",),
    Collection.USERS: ("roles",),
    Collection.LINE_ITEMS: ("lineItemLearningObjectiveIds", "lineItemScoreScales"),
    Collection.RESULTS: ("resultLearningObjectiveIds", "resultScoreScales"),
}


#: columns that name references, where the name of the field is not the column's without `SourcedId`
_FIELDS: Mapping[str, str] = {"termSourcedIds": "terms", "parentSourcedId": "parent"}


def file_name(name: str) -> str:
    """Return the name of a file in lower case."""
    return f"{name.lower()}.csv"


def shaped(cells: Mapping[str, str]) -> Json:
    """Return a row in the shape of the REST binding: references as objects, empty cells left out."""
    body: Json = {}
    for column, cell in cells.items():
        value = cell.strip()
        if not value:
            continue
        if column.endswith("SourcedIds"):
            field = _FIELDS.get(column, f"{column.removesuffix('SourcedIds')}s")
            body[field] = [{"sourcedId": each.strip()} for each in value.split(",") if each.strip()]
        elif column.endswith("SourcedId"):
            body[_FIELDS.get(column, column.removesuffix("SourcedId"))] = {"sourcedId": value}
        else:
            body[column] = value
    return body
