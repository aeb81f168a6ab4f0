"""The course itself and its small belongings: settings, tabs, features, policies, periods, tools."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.course_shape import course_doc
from coursekeep_campus.model import Access
from coursekeep_campus.replies import Reply, not_found
from coursekeep_campus.router import Routes

__all__ = ["routes"]

routes = Routes()


@routes.get("courses/{course}")
def course(call: Call) -> Reply:
    """Show a course. A deleted one only to administrators who ask for all; a date-restricted one as a stub."""
    course = call.find_course(call.names["course"])
    if course.state == "deleted" and not (call.caller.admin and "all_courses" in call.includes):
        raise not_found()
    if course.access is Access.DATE_RESTRICTED:
        return call.reply({"id": course.id, "access_restricted_by_date": True})
    if course.access is Access.FORBIDDEN or not (call.caller.admin or course.taught):
        raise call.no_right()
    return call.reply(course_doc(call, course))


@routes.get("accounts/{account}/courses/{course}")
def account_course(call: Call) -> Reply:
    """Show a course by way of its account."""
    return course(call)


@routes.get("courses/{course}/settings")
def settings(call: Call) -> Reply:
    """Show the settings."""
    return call.reply(call.content.settings)


@routes.get("courses/{course}/tabs")
def tabs(call: Call) -> Reply:
    """List the tabs; the list is not paged."""
    return call.reply(call.content.tabs)


@routes.get("courses/{course}/features/enabled")
def features(call: Call) -> Reply:
    """List the names of the features that are on."""
    return call.reply(call.content.features)


@routes.get("courses/{course}/late_policy")
def late_policy(call: Call) -> Reply:
    """Show the late policy; 404 where there is none."""
    if call.content.late_policy is None:
        raise not_found()
    return call.reply({"late_policy": call.content.late_policy})


@routes.get("courses/{course}/grading_periods")
def grading_periods(call: Call) -> Reply:
    """List the grading periods."""
    return call.page(call.content.grading_periods, wrap="grading_periods")


@routes.get("courses/{course}/grading_standards")
def grading_standards(call: Call) -> Reply:
    """List the grading schemes."""
    return call.page(call.content.grading_standards)


@routes.get("courses/{course}/external_tools")
def external_tools(call: Call) -> Reply:
    """List the external tools."""
    return call.page(call.content.external_tools)


@routes.get("courses/{course}/permissions")
def permissions(call: Call) -> Reply:
    """Tell which of the named rights the caller has in the course."""
    names = call.values("permissions") or ["read", "manage_grades", "view_all_grades", "read_sis", "read_reports"]
    assert call.course
    admins = {"manage_grades", "view_all_grades", "read_sis", "read_reports"}
    return call.reply({name: call.caller.admin or name not in admins for name in names})


@routes.get("courses/{course}/content_migrations")
def content_migrations(call: Call) -> Reply:
    """List the content migrations: none were made."""
    assert call.course
    return call.page([])


@routes.get("courses/{course}/collaborations", part="collaborations")
def collaborations(call: Call) -> Reply:
    """List the collaborations: there are none."""
    assert call.course
    return call.page([])


@routes.get("courses/{course}/conferences")
def conferences(call: Call) -> Reply:
    """List the conferences: there are none."""
    assert call.course
    return call.page([], wrap="conferences")


@routes.get("courses/{course}/blueprint_templates/default")
def blueprint(call: Call) -> Reply:
    """Show the blueprint; 404 where the course is none."""
    if not call.course.blueprint:
        raise not_found()
    return call.reply({"id": call.course.id, "course_id": call.course.id, "last_export_completed_at": None})


@routes.get("courses/{course}/custom_gradebook_columns")
def columns(call: Call) -> Reply:
    """List the custom columns of the gradebook; hidden ones only where they are asked for."""
    hidden = call.flag("include_hidden")
    return call.page([doc for doc in call.content.gradebook_columns if hidden or not doc["hidden"]])


@routes.get("courses/{course}/custom_gradebook_columns/{column}/data")
def column_data(call: Call) -> Reply:
    """List what a custom column says about whom."""
    number = call.number("column")
    call.find(call.content.gradebook_columns, number)
    return call.page(call.content.gradebook_column_data.get(number, []))
