"""What students make for each other: workshops and databases."""

from __future__ import annotations

from typing import Any

from coursekeep_campus.moodle.builder import Builder
from coursekeep_campus.moodle.model import Activity, Doc

__all__ = ["database", "workshop"]


def workshop(builder: Builder, section: int) -> None:
    one = builder.activity("workshop", "Peer review", section, strategy="accumulative", grade=80, gradinggrade=20)
    submissions, assessments, forms = [], {}, {}
    for place, user in enumerate([*builder.students, *builder.students[:4]]):
        submission = _handed_in(builder, one, user, place)
        submissions.append(submission)
        reviewer = builder.students[(place + 1) % 8]
        assessment = _assessed(builder, submission["id"], reviewer)
        assessments[submission["id"]] = [assessment]
        forms[assessment["id"]] = [
            {"name": "grade__idx_0", "value": "8"},
            {"name": "peercomment__idx_0", "value": "ok"},
        ]
    report = [
        {
            "userid": user,
            "submissionid": submissions[place]["id"],
            "submissiontitle": "Work",
            "submissionmodified": builder.at(30),
            "submissiongrade": 60.0,
            "gradinggrade": 15.0,
            "submissionpublished": False,
            "reviewedby": [],
            "reviewerof": [],
        }
        for place, user in enumerate(builder.students)
    ]
    one.data = {"submissions": submissions, "assessments": assessments, "forms": forms, "report": report}


def _handed_in(builder: Builder, one: Activity, user: int, place: int) -> Doc:
    submission = builder.id()
    file = builder.file(one.context, "mod_workshop", "submission_attachment", submission, "work.txt", b"work")
    return {
        "id": submission,
        "workshopid": one.id,
        "example": False,
        "authorid": user,
        "timecreated": builder.at(20),
        "timemodified": builder.at(21),
        "title": f"Work {place}",
        "content": "<p>See the file</p>",
        "contentformat": 1,
        "contenttrust": 0,
        "attachment": 1,
        "grade": 75.0,
        "gradeover": None,
        "published": False,
        "late": 0,
        "contentfiles": [],
        "attachmentfiles": [file],
    }


def _assessed(builder: Builder, submission: int, reviewer: int) -> Doc:
    return {
        "id": builder.id(),
        "submissionid": submission,
        "reviewerid": reviewer,
        "weight": 1,
        "timecreated": builder.at(25),
        "timemodified": builder.at(26),
        "grade": 8.0,
        "gradinggrade": 9.0,
        "gradinggradeover": None,
        "feedbackauthor": "<p>Well argued</p>",
        "feedbackauthorformat": 1,
        "feedbackcontentfiles": [],
        "feedbackattachmentfiles": [],
    }


def database(builder: Builder, section: int) -> None:
    one = builder.activity("data", "Collection", section, timeavailablefrom=0, timeavailableto=0, approval=True)
    kinds = ("text", "file")
    fields = [{"id": builder.id(), "dataid": one.id, "type": kind, "name": kind, "required": False} for kind in kinds]
    entries = []
    for number in range(11):
        record = builder.id()
        file = builder.file(one.context, "mod_data", "content", record, "found.txt", f"found {number}".encode())
        contents: list[dict[str, Any]] = [
            {
                "id": builder.id(),
                "fieldid": fields[0]["id"],
                "recordid": record,
                "content": f"Find {number}",
                "files": [],
            },
            {
                "id": builder.id(),
                "fieldid": fields[1]["id"],
                "recordid": record,
                "content": "found.txt",
                "files": [file],
            },
        ]
        user = builder.students[number % 8]
        entries.append(
            {
                "id": record,
                "userid": user,
                "groupid": 0,
                "dataid": one.id,
                "timecreated": builder.at(12),
                "timemodified": builder.at(13),
                "approved": number % 2 == 0,
                "canmanageentry": False,
                "fullname": builder.name_of(user),
                "contents": contents,
            }
        )
    one.data = {"fields": fields, "entries": entries}
