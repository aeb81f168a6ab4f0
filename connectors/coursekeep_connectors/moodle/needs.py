"""What the service account needs: functions of its web service and capabilities of its role, by part of a course."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["NEEDS", "Need"]

#: versions of Moodle, as sites write them, with which functions came and went
_V3_11, _V4_0, _V5_0 = "2021051700", "2022041900", "2025041400"


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What one part of a course needs."""

    part: str
    functions: tuple[str, ...]
    capabilities: tuple[str, ...] = ()
    #: nothing can be archived without it
    vital: bool = False
    #: first version that has these functions, and first that has them no longer
    since: str = ""
    until: str = ""

    def offered(self, version: str) -> bool:
        """Tell whether a site of this version can have the functions."""
        return not version or (self.since <= version and (not self.until or version < self.until))


def _activity(part: str, *functions: str, capabilities: tuple[str, ...] = (), since: str = "", until: str = "") -> Need:
    return Need(part=part, functions=functions, capabilities=capabilities, since=since, until=until)


NEEDS: tuple[Need, ...] = (
    Need(
        part="courses",
        functions=("core_course_get_courses_by_field", "core_course_get_contents", "core_course_get_courses"),
        capabilities=(
            "webservice/rest:use",
            "moodle/course:view",
            "moodle/course:viewhiddencourses",
            "moodle/course:viewhiddenactivities",
            "moodle/course:viewhiddensections",
            "moodle/course:ignoreavailabilityrestrictions",
            "moodle/course:update",
        ),
        vital=True,
    ),
    Need(
        part="categories",
        functions=("core_course_get_categories",),
        capabilities=("moodle/category:viewhiddencategories", "moodle/category:manage"),
    ),
    Need(part="own enrolments", functions=("core_enrol_get_users_courses",)),
    Need(
        part="people",
        functions=("core_enrol_get_enrolled_users", "core_user_get_users_by_field"),
        capabilities=(
            "moodle/course:viewparticipants",
            "moodle/course:enrolreview",
            "moodle/course:viewsuspendedusers",
            "moodle/course:useremail",
            "moodle/site:accessallgroups",
            "moodle/site:viewfullnames",
            "moodle/site:viewuseridentity",
            "moodle/user:viewdetails",
            "moodle/user:viewhiddendetails",
        ),
    ),
    Need(
        part="groups",
        functions=(
            "core_group_get_course_groups",
            "core_group_get_group_members",
            "core_group_get_course_groupings",
            "core_group_get_groupings",
        ),
        capabilities=("moodle/course:managegroups",),
    ),
    Need(
        part="grades",
        functions=("gradereport_user_get_grade_items",),
        capabilities=("gradereport/user:view", "moodle/grade:viewall", "moodle/grade:viewhidden"),
    ),
    Need(
        part="assignments",
        functions=(
            "mod_assign_get_assignments",
            "mod_assign_get_submissions",
            "mod_assign_get_grades",
            "mod_assign_get_submission_status",
            "mod_assign_get_user_flags",
            "core_grading_get_definitions",
            "core_grading_get_gradingform_instances",
        ),
        capabilities=("mod/assign:view", "mod/assign:viewgrades", "mod/assign:grade", "mod/assign:viewblinddetails",
                      "moodle/grade:managegradingforms"),
    ),
    Need(
        part="quizzes",
        functions=("mod_quiz_get_quizzes_by_courses", "mod_quiz_get_attempt_review"),
        capabilities=("mod/quiz:view", "mod/quiz:viewreports"),
    ),
    Need(part="attempts at quizzes", functions=("mod_quiz_get_user_attempts",), until=_V5_0),
    Need(part="attempts at quizzes (5.0 and later)", functions=("mod_quiz_get_user_quiz_attempts",), since=_V5_0),
    Need(
        part="forums",
        functions=(
            "mod_forum_get_forums_by_courses",
            "mod_forum_get_forum_discussions",
            "mod_forum_get_discussion_posts",
        ),
        capabilities=(
            "mod/forum:viewdiscussion",
            "mod/forum:viewqandawithoutposting",
            "mod/forum:viewhiddentimedposts",
        ),
    ),
    _activity("pages and labels", "mod_page_get_pages_by_courses", "mod_label_get_labels_by_courses"),
    _activity(
        "files and links",
        "mod_resource_get_resources_by_courses",
        "mod_folder_get_folders_by_courses",
        "mod_url_get_urls_by_courses",
        "mod_book_get_books_by_courses",
        "mod_imscp_get_imscps_by_courses",
        "mod_lti_get_ltis_by_courses",
    ),
    _activity("choices", "mod_choice_get_choices_by_courses", "mod_choice_get_choice_results",
              capabilities=("mod/choice:readresponses",)),
    _activity("databases", "mod_data_get_databases_by_courses", "mod_data_get_fields", "mod_data_get_entries",
              capabilities=("mod/data:viewentry",)),
    _activity("feedback", "mod_feedback_get_feedbacks_by_courses", "mod_feedback_get_items",
              "mod_feedback_get_responses_analysis", capabilities=("mod/feedback:viewreports",)),
    _activity("glossaries", "mod_glossary_get_glossaries_by_courses", "mod_glossary_get_entries_by_letter",
              capabilities=("mod/glossary:view", "mod/glossary:approve")),
    _activity("lessons", "mod_lesson_get_lessons_by_courses", "mod_lesson_get_pages", "mod_lesson_get_page_data",
              "mod_lesson_get_attempts_overview", "mod_lesson_get_user_attempt",
              capabilities=("mod/lesson:view", "mod/lesson:viewreports")),
    _activity("wikis", "mod_wiki_get_wikis_by_courses", "mod_wiki_get_subwikis", "mod_wiki_get_subwiki_pages",
              "mod_wiki_get_subwiki_files", capabilities=("mod/wiki:viewpage",)),
    _activity("workshops", "mod_workshop_get_workshops_by_courses", "mod_workshop_get_submissions",
              "mod_workshop_get_submission_assessments", "mod_workshop_get_assessment_form_definition",
              "mod_workshop_get_grades_report",
              capabilities=("mod/workshop:view", "mod/workshop:viewallsubmissions", "mod/workshop:viewallassessments")),
    _activity("SCORM", "mod_scorm_get_scorms_by_courses", "mod_scorm_get_scorm_scoes"),
    _activity("H5P", "mod_h5pactivity_get_h5pactivities_by_courses", "mod_h5pactivity_get_user_attempts",
              "mod_h5pactivity_get_results", capabilities=("mod/h5pactivity:reviewattempts",), since=_V3_11),
    _activity("meetings", "mod_bigbluebuttonbn_get_bigbluebuttonbns_by_courses", since=_V4_0),
    _activity("chats", "mod_chat_get_chats_by_courses", "mod_chat_get_sessions", "mod_chat_get_session_messages",
              capabilities=("mod/chat:readlog",), until=_V5_0),
    _activity("surveys", "mod_survey_get_surveys_by_courses", "mod_survey_get_questions", until=_V5_0),
    Need(
        part="competencies",
        functions=("core_competency_list_course_competencies", "report_competency_data_for_report"),
        capabilities=("moodle/competency:coursecompetencyview", "moodle/competency:usercompetencyview"),
    ),
    Need(
        part="completion",
        functions=("core_completion_get_activities_completion_status", "core_completion_get_course_completion_status"),
        capabilities=("report/progress:view", "report/completion:view"),
    ),
    Need(
        part="badges",
        functions=("core_badges_get_user_badges",),
        capabilities=("moodle/badges:viewotherbadges",),
    ),
    Need(part="calendar", functions=("core_calendar_get_calendar_events",)),
    Need(part="notes", functions=("core_notes_get_course_notes",), capabilities=("moodle/notes:view",)),
    Need(
        part="backups",
        functions=("core_files_get_files",),
        capabilities=(
            "moodle/restore:viewautomatedfilearea",
            "moodle/backup:downloadfile",
            "moodle/backup:userinfo",
            "moodle/restore:userinfo",
        ),
    ),
)  # fmt: skip
