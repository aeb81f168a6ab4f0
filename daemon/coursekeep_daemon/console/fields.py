"""What is wrong with a form, for the page that shows it again."""

from __future__ import annotations

from collections.abc import Mapping

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.console.security import Visit
from coursekeep_daemon.requests import BadRequest

__all__ = ["by_field", "typed_twice"]


def by_field(problem: Problem, *, conflict: str | None = None) -> Mapping[str, str]:
    """Return what is wrong by field; raise the problem again where no field of the form is to blame.

    `conflict` is the field that a 409 is about.
    """
    if problem.status == 409 and conflict is not None:
        return {conflict: problem.detail}
    if problem.status != 422 or not problem.errors:
        raise problem
    return {each.where: f"{each.what[:1].upper()}{each.what[1:]}. {each.remedy}".strip() for each in problem.errors}


def typed_twice(visit: Visit, password: str | None) -> str | None:
    """Return a new password that the form holds twice the same. Raises `BadRequest`."""
    if password is not None and password != str(visit.form.get("again", "")):
        raise BadRequest("the two passwords differ", where="again", remedy="Type the same one twice.")
    return password
