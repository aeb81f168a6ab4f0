"""Assignment groups, assignments with their overrides and peer reviews, and rubrics."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass

from coursekeep import Kind, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, objects, person, pick, text, texts, whole

__all__ = ["AssignmentRef", "Assignments", "assignment_groups", "rubrics"]

_EXTRA = (
    "allowed_extensions", "peer_reviews", "automatic_peer_reviews", "peer_review_count", "peer_reviews_assign_at",
    "intra_group_peer_reviews", "anonymous_peer_reviews", "post_manually", "moderated_grading", "grader_count",
    "final_grader_id", "grade_group_students_individually", "only_visible_to_overrides", "grading_standard_id",
    "external_tool_tag_attributes", "is_quiz_lti_assignment", "use_rubric_for_grading", "rubric_settings", "all_dates",
    "all_dates_count", "assignment_visibility", "workflow_state", "created_at", "updated_at", "important_dates",
    "annotatable_attachment_id", "integration_id", "integration_data",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class AssignmentRef:
    """What later areas need to know of an assignment."""

    id: str
    title: str | None
    published: bool
    quiz_id: str | None
    #: delivered by New Quizzes
    new_quiz: bool


async def assignment_groups(reading: Reading) -> Parts:
    """Yield the weighted groups of assignments."""
    url = f"{reading.base}/assignment_groups"
    async with aclosing(reading.listed(Kind.ASSIGNMENT_GROUPS, url, _group, endpoint="assignment_groups")) as parts:
        async for part in parts:
            yield part


def _group(item: Json) -> Record:
    data = {
        "name": text(item.get("name")),
        "position": whole(item.get("position")),
        "weight": item.get("group_weight"),
        "rules": item.get("rules") or {},
        "sis_id": text(item.get("sis_source_id")),
    }
    return Record(kind=Kind.ASSIGNMENT_GROUPS, id=ident(item), data=data)


class Assignments:
    """The assignments of a course, remembered as references for the submissions and quizzes."""

    def __init__(self) -> None:
        self.refs: list[AssignmentRef] = []

    async def parts(self, reading: Reading) -> Parts:
        """Yield every assignment, with its own dates and not those that hold for the caller."""
        params = [("include[]", name) for name in ("all_dates", "overrides", "assignment_visibility")]
        params += [("override_assignment_dates", "false"), ("order_by", "position")]
        reading.expect(Kind.ASSIGNMENTS, 0)
        async for raw, items in reading.pages(f"{reading.base}/assignments", params, endpoint="assignments"):
            yield raw
            for item in items:
                async with aclosing(self._assignment(reading, item)) as parts:
                    async for part in parts:
                        yield part

    async def _assignment(self, reading: Reading, item: Json) -> Parts:
        self.refs.append(_ref(item))
        overrides = list(objects(item.get("overrides")))
        reviews: list[Json] = []
        if item.get("has_overrides") is True and not overrides:
            async with aclosing(
                reading.guarded(_overrides(reading, item, overrides), Kind.ASSIGNMENTS, of=_id(item), count=0)
            ) as parts:
                async for part in parts:
                    yield part
        if item.get("peer_reviews") is True:
            async with aclosing(
                reading.guarded(_reviews(reading, item, reviews), Kind.ASSIGNMENTS, of=_id(item), count=0)
            ) as parts:
                async for part in parts:
                    yield part
        for part in reading.mapped(Kind.ASSIGNMENTS, item, lambda found: _record(found, overrides, reviews)):
            yield part


def _id(item: Json) -> str:
    return str(item.get("id"))


def _ref(item: Json) -> AssignmentRef:
    return AssignmentRef(
        id=_id(item),
        title=text(item.get("name")),
        published=item.get("published") is not False,
        quiz_id=text(item.get("quiz_id")),
        new_quiz=item.get("is_quiz_lti_assignment") is True,
    )


async def _overrides(reading: Reading, item: Json, overrides: list[Json]) -> Parts:
    url = f"{reading.base}/assignments/{_id(item)}/overrides"
    async for raw, items in reading.pages(url, endpoint="assignment_overrides"):
        yield raw
        overrides.extend(items)


async def _reviews(reading: Reading, item: Json, reviews: list[Json]) -> Parts:
    url = f"{reading.base}/assignments/{_id(item)}/peer_reviews"
    params = [("include[]", "submission_comments")]
    async for raw, items in reading.pages(url, params, endpoint="peer_reviews"):
        yield raw
        for review in items:
            reading.refer(review.get("user_id"))
            reading.refer(review.get("assessor_id"))
            reviews.append(pick(review, "id", "user_id", "assessor_id", "asset_id", "asset_type", "workflow_state"))


def _record(item: Json, overrides: list[Json], reviews: list[Json]) -> Record:
    topic = item.get("discussion_topic")
    tool = item.get("external_tool_tag_attributes")
    rubric = item.get("rubric_settings")
    extra = pick(item, *_EXTRA) | ({"peer_review_list": reviews} if reviews else {})
    data = {
        "group_id": text(item.get("assignment_group_id")),
        "title": text(item.get("name")),
        "description_html": text(item.get("description")),
        "position": whole(item.get("position")),
        "points_possible": item.get("points_possible"),
        "grading_type": text(item.get("grading_type")),
        "submission_types": texts(item.get("submission_types")),
        "allowed_attempts": whole(item.get("allowed_attempts")),
        "unlock_at": item.get("unlock_at"),
        "due_at": item.get("due_at"),
        "lock_at": item.get("lock_at"),
        "published": item.get("published"),
        "omit_from_final_grade": item.get("omit_from_final_grade"),
        "anonymous_grading": item.get("anonymous_grading"),
        "group_category_id": text(item.get("group_category_id")),
        "quiz_id": f"new-{ident(item)}" if item.get("is_quiz_lti_assignment") is True else text(item.get("quiz_id")),
        "discussion_id": text(topic.get("id")) if isinstance(topic, dict) else None,
        "rubric_id": text(rubric.get("id")) if isinstance(rubric, dict) else None,
        "overrides": overrides,
        "tool_url": text(tool.get("url")) if isinstance(tool, dict) else None,
        "sis_id": text(item.get("sis_assignment_id")),
        "extra": extra,
    }
    return Record(kind=Kind.ASSIGNMENTS, id=ident(item), data=data)


async def rubrics(reading: Reading) -> Parts:
    """Yield every rubric with its criteria, where it is used, and how people were assessed by it."""
    reading.expect(Kind.RUBRICS, 0)
    async for raw, items in reading.pages(f"{reading.base}/rubrics", endpoint="rubrics"):
        yield raw
        streams = (_guarded_rubric(reading, item) for item in items)
        async with aclosing(in_order(streams, width=reading.width)) as parts:
            async for part in parts:
                yield part


async def _guarded_rubric(reading: Reading, item: Json) -> Parts:
    """Read a rubric whole; where that fails, keep what the list said and name the assessments as missing."""
    full: list[Json] = []
    async with aclosing(
        reading.guarded(_full_rubric(reading, item, full), Kind.RUBRICS, of=_id(item), count=0)
    ) as parts:
        async for part in parts:
            yield part
    for part in reading.mapped(Kind.RUBRICS, full[0] if full else item, _rubric):
        yield part


async def _full_rubric(reading: Reading, item: Json, full: list[Json]) -> Parts:
    params = [("include[]", "associations"), ("include[]", "assessments"), ("style", "full")]
    found = await reading.get(f"{reading.base}/rubrics/{_id(item)}", params)
    yield reading.raw("rubrics_full", found)
    full.append(found)
    for assessment in objects(found.get("assessments")):
        reading.refer(person(assessment.get("assessor_id")))


def _rubric(item: Json) -> Record:
    data = {
        "title": text(item.get("title")),
        "points_possible": item.get("points_possible"),
        "free_form_comments": item.get("free_form_criterion_comments"),
        "criteria": objects(item.get("data") if item.get("data") is not None else item.get("criteria")),
        "associations": objects(item.get("associations")),
        "assessments": objects(item.get("assessments")),
    }
    return Record(kind=Kind.RUBRICS, id=ident(item), data=data)
