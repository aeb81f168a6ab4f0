"""Errors as Moodle tells them: with status 200, a class of PHP, a stable code and a localised message."""

from __future__ import annotations

from typing import Any

__all__ = ["WsError", "access", "course_missing", "forbidden", "invalid", "missing", "not_enterable", "outside"]

_MOODLE = "core\\exception\\moodle_exception"


class WsError(Exception):
    """An error that a function answers with."""

    def __init__(self, errorcode: str, message: str, exception: str = _MOODLE) -> None:
        super().__init__(message)
        self.errorcode = errorcode
        self.message = message
        self.exception = exception

    def of_function(self) -> dict[str, Any]:
        """Return the body of a function's answer."""
        return {"exception": self.exception, "errorcode": self.errorcode, "message": self.message}

    def of_file(self) -> dict[str, Any]:
        """Return the body of a refused download, which has another shape."""
        rest = {"stacktrace": None, "debuginfo": None, "reproductionlink": None}
        return {"error": self.message, "errorcode": self.errorcode, **rest}


def invalid(message: str = "Invalid parameter value detected") -> WsError:
    """Say that an argument is not what the function takes."""
    return WsError("invalidparameter", message, "core\\exception\\invalid_parameter_exception")


def access() -> WsError:
    """Say nothing but no: expired token, wrong address, service off, function outside of the service."""
    return WsError("accessexception", "Access control exception", "webservice_access_exception")


def missing(table: str) -> WsError:
    """Say that a row is not there."""
    message = f"Can't find data record in database table {table}."
    return WsError("invalidrecord", message, "dml_missing_record_exception")


def course_missing() -> WsError:
    """Say that a course is not there."""
    return missing("course")


def not_enterable(course_id: int) -> WsError:
    """Say that a course may not be entered."""
    inner = "Course or activity not accessible."
    message = f"You cannot execute functions in the course context (course id:{course_id}). "
    return WsError("errorcoursecontextnotvalid", f"{message}The context error message was: {inner}")


def outside() -> WsError:
    """Say the same as functions that do not wrap the reason."""
    return WsError(
        "requireloginerror", "Course or activity not accessible.", "core\\exception\\require_login_exception"
    )


def forbidden(capability: str) -> WsError:
    """Say that a capability is lacking."""
    message = f"Sorry, but you do not currently have permissions to do that ({capability})."
    return WsError("nopermissions", message, "core\\exception\\required_capability_exception")
