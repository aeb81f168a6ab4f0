"""Errors of the rooms behind the API, turned into problems at the door."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from coursekeep import ConnectorError, CredentialsNeeded, NoAccess, NotFound
from coursekeep_daemon.api.problems import FieldProblem, Problem
from coursekeep_daemon.package import NoSuchPackage, PackageError
from coursekeep_daemon.service import BadRequest
from coursekeep_daemon.store import BadCursor, Conflict, NoSuchRecord, StoreError

__all__ = ["domain_errors"]


@contextmanager
def domain_errors() -> Iterator[None]:
    """Raise what the service, the store, the package and connectors raise on purpose as problems."""
    try:
        yield
    except BadRequest as error:
        field = FieldProblem(where=error.where, what=error.what, remedy=error.remedy)
        raise Problem(422, "bad-request", f"{error}. {error.remedy}".strip(), errors=[field]) from error
    except BadCursor as error:
        detail = "The cursor is not one that this list gave out. Follow the `next` link, or start without a cursor."
        raise Problem(400, "bad-cursor", detail) from error
    except (NoSuchRecord, NoSuchPackage) as error:
        raise Problem(404, "not-found", str(error)) from error
    except Conflict as error:
        raise Problem(409, "conflict", str(error)) from error
    except StoreError as error:
        raise Problem(503, "storage", str(error)) from error
    except PackageError as error:
        raise Problem(503, "storage", str(error)) from error
    except ConnectorError as error:
        raise _lms_problem(error) from error


def _lms_problem(error: ConnectorError) -> Problem:
    remedies: list[tuple[type[ConnectorError], str]] = [
        (CredentialsNeeded, "Renew the credentials of the integration, then check it."),
        (NoAccess, "Give the integration's account the permission it lacks."),
        (NotFound, "Look whether it still exists in the LMS."),
    ]
    remedy = next((text for kind, text in remedies if isinstance(error, kind)), "Try again later.")
    return Problem(502, "lms", f"The LMS: {error} {remedy}")
