"""What an operator is told before the first course: does the address answer, is the token good and strong enough?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from urllib.parse import quote

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded, LmsClient, NoAccess, NotFound, Unavailable
from coursekeep_connectors.canvas.settings import CanvasSettings
from coursekeep_connectors.canvas.values import Json, text

__all__ = ["check_canvas"]

Steps = AsyncGenerator[CheckStep, None]

_ADDRESS = "Check the address, the network and the certificate; the answer must come from Canvas itself."
_TOKEN = "In Canvas, open Account > Settings > New access token, and put it into the settings."  # noqa: S105  # advice
_REFRESH = "Have a new refresh token issued for the developer key, and put it into the settings as `refresh_token`."
_ACCOUNT = "Set `account` to an account of which the token's user is an administrator."
_LIST = "Give the user's account role the permission 'Courses - view list' (read_course_list)."
_TERMS = "Make the token's user an administrator of the root account, or give the role the permission to see its terms."
_GRADES = (
    "Give the user's account role 'Grades - view all grades' (view_all_grades), 'Users - view list' (read_roster) and"
    " 'SIS Data - read' (read_sis)."
)
_SCOPES = "In Canvas, open the developer key of the token and allow all scopes that read (GET), or turn scopes off."


async def check_canvas(client: LmsClient, settings: CanvasSettings) -> Steps:
    """Yield the steps; those that make no sense after a failed one are left out."""
    try:
        async for step in _steps(client, settings):
            yield step
    except ConnectorError as error:
        remedy = _renewal(settings) if isinstance(error, CredentialsNeeded) else _ADDRESS
        yield CheckStep(name="answers", ok=False, detail=str(error), remedy=remedy)


async def _steps(client: LmsClient, settings: CanvasSettings) -> Steps:
    try:
        user = _object((await client.get("/api/v1/users/self")).body)
    except CredentialsNeeded as error:
        yield CheckStep(name="address", ok=True, detail=settings.base_url)
        yield CheckStep(name="credentials", ok=False, detail=str(error), remedy=_renewal(settings))
        return
    except ConnectorError as error:
        yield CheckStep(name="address", ok=False, detail=str(error), remedy=_ADDRESS)
        return
    yield CheckStep(name="address", ok=True, detail=settings.base_url)
    yield CheckStep(name="credentials", ok=True, detail=f"token of user {text(user.get('id'))}")
    account_url = f"/api/v1/accounts/{quote(settings.account, safe=':')}"
    try:
        account = _object((await client.get(account_url)).body)
    except (NoAccess, NotFound) as error:
        yield CheckStep(name="account", ok=False, detail=str(error), remedy=_ACCOUNT)
        return
    yield CheckStep(name="account", ok=True, detail=f"{account.get('name')} ({text(account.get('id'))})")
    course: Json = {}
    async for step in _courses(client, account_url, course):
        yield step
    root = text(account.get("root_account_id")) or text(account.get("id")) or settings.account
    yield await _terms(client, root)
    if course:
        yield await _grades(client, course)


async def _courses(client: LmsClient, account_url: str, course: Json) -> Steps:
    """Look at the list of courses; hands the first one back in `course`."""
    try:
        body = (await client.get(f"{account_url}/courses", [("per_page", "1")])).body
    except (NoAccess, NotFound) as error:
        yield CheckStep(name="course list", ok=False, detail=str(error), remedy=_LIST)
        return
    first = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else {}
    course.update(first)
    yield CheckStep(name="course list", ok=True, detail="" if first else "the account has no courses yet")
    if first and "sis_course_id" not in first:
        # Not a failure: institutions without a student information system have no SIS ids.
        detail = "SIS ids are not shown to this token; give 'SIS Data - read' if they are needed"
        yield CheckStep(name="SIS ids", ok=True, detail=detail)


async def _terms(client: LmsClient, root: str) -> CheckStep:
    try:
        await client.get(f"/api/v1/accounts/{root}/terms", [("per_page", "1")])
    except (NoAccess, NotFound) as error:
        return CheckStep(name="terms", ok=False, detail=str(error), remedy=_TERMS)
    return CheckStep(name="terms", ok=True)


async def _grades(client: LmsClient, course: Json) -> CheckStep:
    """Look whether grades of all students may be read, by the example of one course."""
    url = f"/api/v1/courses/{text(course.get('id'))}/students/submissions"
    try:
        await client.get(url, [("student_ids[]", "all"), ("per_page", "1")])
    except (NoAccess, NotFound, Unavailable) as error:
        return CheckStep(name="grades", ok=False, detail=str(error), remedy=_GRADES)
    except CredentialsNeeded as error:
        return CheckStep(name="grades", ok=False, detail=str(error), remedy=_SCOPES)
    return CheckStep(name="grades", ok=True, detail=f"seen in course {text(course.get('id'))}")


def _renewal(settings: CanvasSettings) -> str:
    return _TOKEN if settings.refresh_token is None else _REFRESH


def _object(body: object) -> Json:
    return body if isinstance(body, dict) else {}
