"""The types of activities that Moodle's core has, and how each is read."""

from __future__ import annotations

from coursekeep_connectors.moodle import entries, lessons, players, surveys, workshops
from coursekeep_connectors.moodle.activities import Sort

__all__ = ["APART", "SORTS"]

#: read by modules of their own
APART = frozenset({"assign", "forum", "label", "page", "quiz"})

SORTS: dict[str, Sort] = {
    "bigbluebuttonbn": Sort(
        function="mod_bigbluebuttonbn_get_bigbluebuttonbns_by_courses",
        key="bigbluebuttonbns",
        untold="recordings and attendance of meetings are held by the meeting server",
    ),
    "book": Sort(function="mod_book_get_books_by_courses", key="books"),
    "chat": Sort(function="mod_chat_get_chats_by_courses", key="chats", deeds=players.chat),
    "choice": Sort(function="mod_choice_get_choices_by_courses", key="choices", deeds=surveys.choice),
    "data": Sort(function="mod_data_get_databases_by_courses", key="databases", deeds=entries.database),
    "feedback": Sort(function="mod_feedback_get_feedbacks_by_courses", key="feedbacks", deeds=surveys.feedback),
    "folder": Sort(function="mod_folder_get_folders_by_courses", key="folders"),
    "glossary": Sort(function="mod_glossary_get_glossaries_by_courses", key="glossaries", deeds=entries.glossary),
    "h5pactivity": Sort(
        function="mod_h5pactivity_get_h5pactivities_by_courses", key="h5pactivities", deeds=players.h5p
    ),
    "imscp": Sort(function="mod_imscp_get_imscps_by_courses", key="imscps"),
    "lesson": Sort(function="mod_lesson_get_lessons_by_courses", key="lessons", deeds=lessons.lesson),
    "lti": Sort(
        function="mod_lti_get_ltis_by_courses",
        key="ltis",
        untold="what people did in an external tool is held by the tool; the grades that it sent are in the gradebook",
    ),
    "qbank": Sort(untold="questions of a bank are in no web service; a backup holds them"),
    "resource": Sort(function="mod_resource_get_resources_by_courses", key="resources"),
    "scorm": Sort(
        function="mod_scorm_get_scorms_by_courses",
        key="scorms",
        deeds=players.scorm,
        untold="Moodle hands out SCORM tracks to their own people only; a backup holds them, the gradebook the grades",
    ),
    "subsection": Sort(),
    "survey": Sort(
        function="mod_survey_get_surveys_by_courses",
        key="surveys",
        deeds=surveys.survey,
        untold="answers to surveys are in no web service; a backup holds them",
    ),
    "url": Sort(function="mod_url_get_urls_by_courses", key="urls"),
    "wiki": Sort(function="mod_wiki_get_wikis_by_courses", key="wikis", deeds=entries.wiki),
    "workshop": Sort(function="mod_workshop_get_workshops_by_courses", key="workshops", deeds=workshops.workshop),
}
