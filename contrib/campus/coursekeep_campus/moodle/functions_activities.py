"""All other activities: the list of each type, and what lies below."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from coursekeep_campus.moodle.arguments import Field, Listed, Struct
from coursekeep_campus.moodle.call import Call, Function
from coursekeep_campus.moodle.errors import WsError, missing
from coursekeep_campus.moodle.model import Doc

__all__ = ["FUNCTIONS", "LISTS"]

#: type of activity to the function that lists it, and the key of the list; None where the list is bare
LISTS: dict[str, tuple[str, str | None]] = {
    "bigbluebuttonbn": ("mod_bigbluebuttonbn_get_bigbluebuttonbns_by_courses", "bigbluebuttonbns"),
    "book": ("mod_book_get_books_by_courses", "books"),
    "chat": ("mod_chat_get_chats_by_courses", "chats"),
    "choice": ("mod_choice_get_choices_by_courses", "choices"),
    "data": ("mod_data_get_databases_by_courses", "databases"),
    "feedback": ("mod_feedback_get_feedbacks_by_courses", "feedbacks"),
    "folder": ("mod_folder_get_folders_by_courses", "folders"),
    "forum": ("mod_forum_get_forums_by_courses", None),
    "glossary": ("mod_glossary_get_glossaries_by_courses", "glossaries"),
    "h5pactivity": ("mod_h5pactivity_get_h5pactivities_by_courses", "h5pactivities"),
    "imscp": ("mod_imscp_get_imscps_by_courses", "imscps"),
    "label": ("mod_label_get_labels_by_courses", "labels"),
    "lesson": ("mod_lesson_get_lessons_by_courses", "lessons"),
    "lti": ("mod_lti_get_ltis_by_courses", "ltis"),
    "page": ("mod_page_get_pages_by_courses", "pages"),
    "quiz": ("mod_quiz_get_quizzes_by_courses", "quizzes"),
    "resource": ("mod_resource_get_resources_by_courses", "resources"),
    "scorm": ("mod_scorm_get_scorms_by_courses", "scorms"),
    "survey": ("mod_survey_get_surveys_by_courses", "surveys"),
    "url": ("mod_url_get_urls_by_courses", "urls"),
    "wiki": ("mod_wiki_get_wikis_by_courses", "wikis"),
    "workshop": ("mod_workshop_get_workshops_by_courses", "workshops"),
}


def _list(modname: str, key: str | None) -> Callable[[Call], Any]:
    def answer(call: Call) -> Any:
        docs, warnings = [], []
        for course_id in call.args["courseids"]:
            course = call.site.courses.get(course_id)
            if course is None or not call.enters(course):
                message = "No access rights in course context"
                warnings.append({"item": "course", "itemid": course_id, "warningcode": "1", "message": message})
                continue
            hidden = call.has("moodle/course:viewhiddenactivities")
            docs += [one.doc for one in course.of(modname) if one.visible or hidden]
        return docs if key is None else {key: docs, "warnings": warnings}

    return answer


def _below(
    modname: str, argument: str, capability: str | None, pick: Callable[[Call, Doc], Any]
) -> Callable[[Call], Any]:
    """Answer what lies below one instance of a type."""

    def answer(call: Call) -> Any:
        _, activity = call.activity(modname, call.args[argument])
        if capability is not None:
            call.need(capability)
        return pick(call, activity.data)

    return answer


def _page_of(call: Call, docs: list[Doc], most: int = 10) -> list[Doc]:
    """Return one page of a list; 0 per page means Moodle's own number."""
    size = call.args["perpage"] or most
    return docs[call.args["page"] * size : (call.args["page"] + 1) * size]


def _entries_by_letter(call: Call, data: Doc) -> Any:
    docs = [doc for doc in data["entries"] if doc["approved"] or call.args["options"].get("includenotapproved")]
    first = call.args["from"]
    found = docs[first : first + call.args["limit"]]
    return {"count": len(docs), "entries": found, "ratinginfo": {"contextid": 1}, "warnings": []}


def _subwiki_pages(call: Call, data: Doc) -> Any:
    key = (max(call.args["groupid"], 0), max(call.args["userid"], 0))
    return {"pages": data["pages"].get(key, []), "warnings": []}


def _subwiki_files(call: Call, data: Doc) -> Any:
    key = (max(call.args["groupid"], 0), max(call.args["userid"], 0))
    return {"files": data["files"].get(key, []), "warnings": []}


def _lesson_page(call: Call, data: Doc) -> Any:
    found = data["page_data"].get(call.args["pageid"])
    if found is None:
        raise missing("lesson_pages")
    return found


def _lesson_attempt(call: Call, data: Doc) -> Any:
    found = data["user_attempts"].get((call.args["userid"], call.args["lessonattempt"]))
    if found is None:
        raise WsError("cannotfinduser", "no attempt")
    return found


def _responses(call: Call, data: Doc) -> Any:
    """Answer a page of feedback: named and anonymous answers are paged side by side."""
    return {
        "attempts": _page_of(call, data["attempts"]),
        "totalattempts": len(data["attempts"]),
        "anonattempts": _page_of(call, data["anonymous"]),
        "totalanonattempts": len(data["anonymous"]),
        "warnings": [],
    }


def _assessments(call: Call) -> Any:
    for course in call.site.courses.values():
        for workshop in course.of("workshop"):
            if call.args["submissionid"] in workshop.data["assessments"]:
                call.need("mod/workshop:viewallassessments")
                return {"assessments": workshop.data["assessments"][call.args["submissionid"]], "warnings": []}
    raise missing("workshop_submissions")


def _form(call: Call) -> Any:
    for course in call.site.courses.values():
        for workshop in course.of("workshop"):
            if call.args["assessmentid"] in workshop.data["forms"]:
                call.need("mod/workshop:viewallassessments")
                current = workshop.data["forms"][call.args["assessmentid"]]
                return {"dimenssionscount": 1, "fields": [], "current": current, "dimensionsinfo": [], "warnings": []}
    raise missing("workshop_assessments")


def _sessions(call: Call, data: Doc) -> Any:
    sessions = [{"sessionstart": first, "sessionend": last, "iscomplete": True} for first, last, _ in data["sessions"]]
    return {"sessions": sessions, "warnings": []}


def _messages(call: Call, data: Doc) -> Any:
    first, last = call.args["sessionstart"], call.args["sessionend"]
    said = [one for *_, messages in data["sessions"] for one in messages if first <= one["timestamp"] <= last]
    return {"messages": said, "warnings": []}


def _results(call: Call, data: Doc) -> Any:
    attempts = [doc for doc in data["results"] if doc["id"] in call.args["attemptids"]]
    return {"activityid": call.args["h5pactivityid"], "attempts": attempts, "warnings": []}


def _reports(call: Call, data: Doc) -> Any:
    grades = data["report"]
    return {"report": {"grades": _page_of(call, grades), "totalcount": len(grades)}, "warnings": []}


_WHOLE, _ZERO, _TEXT = Field(int), Field(int, 0), Field(str, "")
_PAGING = {"page": _ZERO, "perpage": _ZERO}


def _lists() -> Iterable[Function]:
    for modname, (name, key) in LISTS.items():
        yield Function(name, Struct({"courseids": Listed(Field(int), ())}), _list(modname, key))


def _functions() -> Iterable[Function]:
    yield Function(
        "mod_choice_get_choice_results",
        Struct({"choiceid": _WHOLE}),
        _below("choice", "choiceid", None, lambda _, data: {"options": data["options"], "warnings": []}),
    )
    yield Function(
        "mod_feedback_get_items",
        Struct({"feedbackid": _WHOLE, "courseid": _ZERO}),
        _below("feedback", "feedbackid", None, lambda _, data: {"items": data["items"], "warnings": []}),
    )
    yield Function(
        "mod_feedback_get_responses_analysis",
        Struct({"feedbackid": _WHOLE, "groupid": _ZERO, **_PAGING, "courseid": _ZERO}),
        _below("feedback", "feedbackid", "mod/feedback:viewreports", _responses),
    )
    options = Struct({"includenotapproved": Field(bool, False)}, {})
    yield Function(
        "mod_glossary_get_entries_by_letter",
        Struct({"id": _WHOLE, "letter": Field(str), "from": _ZERO, "limit": Field(int, 20), "options": options}),
        _below("glossary", "id", "mod/glossary:view", _entries_by_letter),
    )
    yield Function(
        "mod_wiki_get_subwikis",
        Struct({"wikiid": _WHOLE}),
        _below("wiki", "wikiid", None, lambda _, data: {"subwikis": data["subwikis"], "warnings": []}),
    )
    of_subwiki = {"wikiid": _WHOLE, "groupid": Field(int, -1), "userid": _ZERO}
    sorting = Struct({"sortby": _TEXT, "sortdirection": _TEXT, "includecontent": Field(bool, True)}, {})
    yield Function(
        "mod_wiki_get_subwiki_pages",
        Struct({**of_subwiki, "options": sorting}),
        _below("wiki", "wikiid", "mod/wiki:viewpage", _subwiki_pages),
    )
    yield Function(
        "mod_wiki_get_subwiki_files", Struct(of_subwiki), _below("wiki", "wikiid", "mod/wiki:viewpage", _subwiki_files)
    )
    yield from _of_lessons()
    yield from _of_others()


def _of_lessons() -> Iterable[Function]:
    yield Function(
        "mod_lesson_get_pages",
        Struct({"lessonid": _WHOLE, "password": _TEXT}),
        _below("lesson", "lessonid", None, lambda _, data: {"pages": data["pages"], "warnings": []}),
    )
    yield Function(
        "mod_lesson_get_page_data",
        Struct(
            {
                "lessonid": _WHOLE,
                "pageid": _WHOLE,
                "password": _TEXT,
                "review": Field(bool, False),
                "returncontents": Field(bool, False),
            }
        ),
        _below("lesson", "lessonid", None, _lesson_page),
    )
    yield Function(
        "mod_lesson_get_attempts_overview",
        Struct({"lessonid": _WHOLE, "groupid": _ZERO}),
        _below("lesson", "lessonid", "mod/lesson:viewreports", lambda _, data: data["overview"]),
    )
    yield Function(
        "mod_lesson_get_user_attempt",
        Struct({"lessonid": _WHOLE, "userid": _WHOLE, "lessonattempt": _WHOLE}),
        _below("lesson", "lessonid", "mod/lesson:viewreports", _lesson_attempt),
    )


def _of_others() -> Iterable[Function]:
    yield Function(
        "mod_data_get_fields",
        Struct({"databaseid": _WHOLE}),
        _below("data", "databaseid", None, lambda _, data: {"fields": data["fields"], "warnings": []}),
    )
    ordered = {"sort": _ZERO, "order": Field(str, "ASC")}
    yield Function(
        "mod_data_get_entries",
        Struct({"databaseid": _WHOLE, "groupid": _ZERO, "returncontents": Field(bool, False), **ordered, **_PAGING}),
        _below("data", "databaseid", "mod/data:viewentry", _data_entries),
    )
    yield Function(
        "mod_workshop_get_submissions",
        Struct({"workshopid": _WHOLE, "userid": _ZERO, "groupid": _ZERO, **_PAGING}),
        _below("workshop", "workshopid", "mod/workshop:viewallsubmissions", _workshop_submissions),
    )
    yield Function("mod_workshop_get_submission_assessments", Struct({"submissionid": _WHOLE}), _assessments)
    yield Function(
        "mod_workshop_get_grades_report",
        Struct({"workshopid": _WHOLE, "groupid": _ZERO, "sortby": _TEXT, "sortdirection": _TEXT, **_PAGING}),
        _below("workshop", "workshopid", "mod/workshop:viewallassessments", _reports),
    )
    yield Function(
        "mod_scorm_get_scorm_scoes",
        Struct({"scormid": _WHOLE, "organization": _TEXT}),
        _below("scorm", "scormid", None, lambda _, data: {"scoes": data["scoes"], "warnings": []}),
    )
    yield Function(
        "mod_h5pactivity_get_user_attempts",
        Struct({"h5pactivityid": _WHOLE, "sortorder": _TEXT, "page": Field(int, -1), "perpage": _ZERO}),
        _below("h5pactivity", "h5pactivityid", "mod/h5pactivity:reviewattempts", _h5p_attempts),
    )
    yield Function(
        "mod_h5pactivity_get_results",
        Struct({"h5pactivityid": _WHOLE, "attemptids": Listed(Field(int), ())}),
        _below("h5pactivity", "h5pactivityid", "mod/h5pactivity:reviewattempts", _results),
    )
    yield Function(
        "mod_workshop_get_assessment_form_definition",
        Struct({"assessmentid": _WHOLE, "mode": Field(str, "assessment")}),
        _form,
    )
    yield Function(
        "mod_chat_get_sessions",
        Struct({"chatid": _WHOLE, "groupid": _ZERO, "showall": Field(bool, False)}),
        _below("chat", "chatid", None, _sessions),
    )
    yield Function(
        "mod_chat_get_session_messages",
        Struct({"chatid": _WHOLE, "sessionstart": _WHOLE, "sessionend": _WHOLE, "groupid": _ZERO}),
        _below("chat", "chatid", None, _messages),
    )
    yield Function(
        "mod_survey_get_questions",
        Struct({"surveyid": _WHOLE}),
        _below("survey", "surveyid", None, lambda _, data: {"questions": data["questions"], "warnings": []}),
    )


def _data_entries(call: Call, data: Doc) -> Any:
    docs = _page_of(call, data["entries"])
    if not call.args["returncontents"]:
        docs = [{key: value for key, value in doc.items() if key != "contents"} for doc in docs]
    return {"entries": docs, "totalcount": len(data["entries"]), "totalfilesize": 0, "warnings": []}


def _workshop_submissions(call: Call, data: Doc) -> Any:
    docs = data["submissions"]
    return {"submissions": _page_of(call, docs), "totalcount": len(docs), "totalfilesize": 0, "warnings": []}


def _h5p_attempts(call: Call, data: Doc) -> Any:
    return {"activityid": call.args["h5pactivityid"], "usersattempts": data["attempts"], "warnings": []}


FUNCTIONS = (*_lists(), *_functions())
