"""Workshops: what was handed in, how peers assessed it, and the results."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from coursekeep import Kind, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.activities import activity, missing
from coursekeep_connectors.moodle.listed import pages_of
from coursekeep_connectors.moodle.outline import Module
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, number, objects, person, pick, text

__all__ = ["workshop"]


async def workshop(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a workshop with submissions, assessments and results."""
    for part in activity(reading, item, module):
        yield part
    for stream in (_submissions(reading, module), _results(reading, module)):
        async with aclosing(reading.guarded(stream, Kind.RESPONSES, of=module.id)) as parts:
            async for part in parts:
                yield part


async def _submissions(reading: Reading, module: Module) -> Parts:
    ids: list[str] = []
    total = None
    arguments = {"workshopid": module.instance}
    async with aclosing(pages_of(reading, "mod_workshop_get_submissions", arguments, "submissions")) as pages:
        async for body in pages:
            total = body.get("totalcount")
            yield reading.raw("workshop_submissions", body["submissions"])
            for part in reading.warned(body, Kind.RESPONSES):
                yield part
            for item in objects(body["submissions"]):
                ids.append(ident(item))
                owner = reading.refer(item.get("authorid"))
                for name in ("contentfiles", "attachmentfiles"):
                    for part in reading.attached(item.get(name), group="submissions", owner=owner):
                        yield part
                for part in reading.mapped(Kind.RESPONSES, item, lambda found: _submission(reading, found, module)):
                    yield part
    for part in missing(reading, Kind.RESPONSES, f"{module.id}-submissions", total, len(ids)):
        yield part
    streams = (
        reading.guarded(_assessments(reading, module, one), Kind.RESPONSES, of=f"workshop-submission-{one}")
        for one in ids
    )
    async with aclosing(in_order(streams, width=reading.width)) as parts:
        async for part in parts:
            yield part


def _submission(reading: Reading, item: Json, module: Module) -> Record:
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("authorid")),
        "type": "submission",
        "title": text(item.get("title")),
        "body_html": text(item.get("content")),
        "created_at": moment(item.get("timecreated")),
        "updated_at": moment(item.get("timemodified")),
        "score": number(item.get("grade")),
        "file_ids": reading.ids_of(item.get("attachmentfiles")),
        "extra": pick(item, "example", "gradeover", "gradeoverby", "feedbackauthor", "timegraded", "published", "late"),
    }
    return Record(kind=Kind.RESPONSES, id=f"workshop-submission-{ident(item)}", data=data)


async def _assessments(reading: Reading, module: Module, submission: str) -> Parts:
    function = "mod_workshop_get_submission_assessments"
    body, items = await reading.listing(function, {"submissionid": submission}, key="assessments")
    yield reading.raw("workshop_assessments", items)
    for part in reading.warned(body, Kind.RESPONSES):
        yield part
    for item in items:
        owner = reading.refer(item.get("reviewerid"))
        for name in ("feedbackcontentfiles", "feedbackattachmentfiles"):
            for part in reading.attached(item.get(name), group="submissions", owner=owner):
                yield part
        form: Json = {}
        of = f"workshop-assessment-{text(item.get('id'))}"
        async with aclosing(reading.guarded(_form(reading, item, form), Kind.RESPONSES, of=of, count=0)) as parts:
            async for part in parts:
                yield part
        for part in reading.mapped(
            Kind.RESPONSES,
            item,
            partial(_assessment, reading=reading, module=module, submission=submission, form=form),
            of=of,
        ):
            yield part


async def _form(reading: Reading, item: Json, into: Json) -> Parts:
    """Read how the criteria of one assessment were filled in."""
    arguments = {"assessmentid": ident(item), "mode": "assessment"}
    found = await reading.call("mod_workshop_get_assessment_form_definition", arguments)
    yield reading.raw("workshop_assessment_forms", found, of=ident(item))
    for part in reading.warned(found, Kind.RESPONSES):
        yield part
    into.update(found)


def _assessment(item: Json, reading: Reading, module: Module, submission: str, form: Json) -> Record:
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("reviewerid")),
        "type": "assessment",
        "body_html": text(item.get("feedbackauthor")),
        "created_at": moment(item.get("timecreated")),
        "updated_at": moment(item.get("timemodified")),
        "score": number(item.get("grade")),
        "answers": [pick(one, "name", "value") for one in objects(form.get("current"))],
        "about_id": f"workshop-submission-{submission}",
        "file_ids": reading.ids_of(item.get("feedbackattachmentfiles")),
        "extra": pick(item, "weight", "gradinggrade", "gradinggradeover", "gradinggradeoverby", "feedbackreviewer"),
    }
    return Record(kind=Kind.RESPONSES, id=f"workshop-assessment-{ident(item)}", data=data)


async def _results(reading: Reading, module: Module) -> Parts:
    number_ = got = 0
    seen: set[str] = set()
    while True:
        arguments = {"workshopid": module.instance, "page": number_, "perpage": 100}
        body = await reading.call("mod_workshop_get_grades_report", arguments)
        report = body.get("report")
        grades = objects(report.get("grades")) if isinstance(report, dict) else []
        fresh = [item for item in grades if str(item.get("userid")) not in seen]
        if not fresh:
            break
        yield reading.raw("workshop_grades", fresh, of=f"{module.instance}-{number_}")
        for item in fresh:
            seen.add(str(item.get("userid")))
            got += 1
            reading.refer(item.get("userid"))
            of = f"{module.id}-result-{text(item.get('userid'))}"
            for part in reading.mapped(Kind.RESPONSES, item, partial(_result, module=module, of=of), of=of):
                yield part
        number_ += 1
    total = report.get("totalcount") if isinstance(report, dict) else None
    for part in missing(reading, Kind.RESPONSES, f"{module.id}-results", total, got):
        yield part


def _result(item: Json, module: Module, of: str) -> Record:
    data = {
        "activity_id": module.id,
        "person_id": ident(item, "userid"),
        "type": "result",
        "score": number(item.get("submissiongrade")),
        "extra": pick(item, "submissionid", "submissiongradeover", "gradinggrade", "reviewedby", "reviewerof"),
    }
    return Record(kind=Kind.RESPONSES, id=of, data=data)
