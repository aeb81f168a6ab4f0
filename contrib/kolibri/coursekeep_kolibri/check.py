"""What an operator is told before the first class."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from coursekeep import CheckStep, ConnectorError, CourseQuery, CredentialsNeeded
from coursekeep_kolibri.finding import Classes
from coursekeep_kolibri.session import Session
from coursekeep_kolibri.summary import ClassSummaries

__all__ = ["check_kolibri"]

Steps = AsyncGenerator[CheckStep]

#: the first version whose answers the connector was made for
_OLDEST = (0, 19)
_ADDRESS = "Check base_url, the network and the certificate; the answer must come from Kolibri itself."
_VERSION = "Upgrade Kolibri to 0.19 or newer: the connector was not made for what older versions answer."
_SIGN_IN = "Check username, password and facility, by signing in to Kolibri with them."
_COACH = "Make the user a facility coach in Kolibri: Facility, Users, Edit, user type Coach, Facility coach."
_SUMMARY = "Make the user a coach of the facility, and switch Kolibri's Coach plugin on."


async def check_kolibri(session: Session, classes: Classes, summaries: ClassSummaries) -> Steps:
    """Yield the steps; those that make no sense after a failed one are left out."""
    try:
        about = await session.about()
    except ConnectorError as error:
        yield CheckStep(name="address", ok=False, detail=str(error), remedy=_ADDRESS)
        return
    yield CheckStep(name="address", ok=True, detail=str(about.get("device_name") or ""))
    version = _version(about)
    yield version
    try:
        facility = await classes.facility(await session.facility_id())
    except CredentialsNeeded as error:
        yield CheckStep(name="sign-in", ok=False, detail=str(error), remedy=_SIGN_IN)
        return
    except ConnectorError as error:
        yield CheckStep(name="facility", ok=False, detail=str(error), remedy=_SIGN_IN)
        return
    yield CheckStep(name="sign-in", ok=True)
    yield CheckStep(name="facility", ok=True, detail=str(facility["name"]))
    async for step in _classes(classes, facility, summaries):
        yield step


def _version(about: Mapping[str, Any]) -> CheckStep:
    said = str(about.get("kolibri_version"))
    found = re.match(r"(\d+)\.(\d+)", said)
    ok = found is not None and (int(found[1]), int(found[2])) >= _OLDEST
    return CheckStep(name="version", ok=ok, detail=f"Kolibri {said}", remedy="" if ok else _VERSION)


async def _classes(classes: Classes, facility: Mapping[str, Any], summaries: ClassSummaries) -> Steps:
    """Compare the classes that can be read with those that the facility counts: the others would never be found."""
    try:
        found = [course async for course in classes.listed(CourseQuery(account=str(facility["id"])))]
        count = int(facility["num_classrooms"])
    except ConnectorError as error:
        yield CheckStep(name="classes", ok=False, detail=str(error), remedy=_COACH)
        return
    except (KeyError, TypeError, ValueError):
        detail = "the facility does not say how many classes it has"
        yield CheckStep(name="classes", ok=False, detail=detail, remedy=_ADDRESS)
        return
    ok = len(found) >= count
    detail = f"{len(found)} of {count} classes can be read"
    yield CheckStep(name="classes", ok=ok, detail=detail, remedy="" if ok else _COACH)
    if not found:
        return
    try:
        await summaries.of(found[0].id)
    except ConnectorError as error:
        yield CheckStep(name="logs", ok=False, detail=str(error), remedy=_SUMMARY)
        return
    yield CheckStep(name="logs", ok=True)
