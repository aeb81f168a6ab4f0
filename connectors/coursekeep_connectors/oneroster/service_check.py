"""What an operator is told about a OneRoster service: address, credentials, version, and each right that is needed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded, NoAccess, NotFound, Unavailable
from coursekeep_connectors.oneroster.roster import Collection
from coursekeep_connectors.oneroster.service import ServiceSource, base_of
from coursekeep_connectors.oneroster.settings import OneRosterSettings, Version

__all__ = ["check_service"]

Steps = AsyncGenerator[CheckStep]

_ADDRESS = "Check base_url, the network and the certificate; the answer must come from the OneRoster service itself."
_CREDENTIALS = "Check token, or client_id, client_secret, oauth_url and scopes, with whoever runs the service."
_RIGHT = "Ask whoever runs the service for the scope that reads this: roster-core.readonly or gradebook.readonly."
_NEEDED = (Collection.CLASSES, Collection.ENROLLMENTS, Collection.USERS, Collection.COURSES, Collection.ORGS)
_GRADES = (Collection.LINE_ITEMS, Collection.CATEGORIES, Collection.RESULTS)


async def check_service(source: ServiceSource, settings: OneRosterSettings) -> Steps:
    """Yield the steps; those that make no sense after a failed one are left out."""
    try:
        roster = await source.roster()
    except CredentialsNeeded as error:
        yield CheckStep(name="address", ok=True, detail=settings.base_url or "")
        yield CheckStep(name="credentials", ok=False, detail=str(error), remedy=_CREDENTIALS)
        return
    except NoAccess as error:
        yield CheckStep(name="academicSessions", ok=False, detail=str(error), remedy=_RIGHT)
        return
    except ConnectorError as error:
        yield CheckStep(name="address", ok=False, detail=str(error), remedy=_ADDRESS)
        return
    yield CheckStep(name="address", ok=True, detail=settings.base_url or "")
    yield CheckStep(name="credentials", ok=True)
    yield CheckStep(name="version", ok=True, detail=f"OneRoster {roster.version}")
    for collection in (*_NEEDED, *_GRADES):
        step = await _looked_at(source, Version(roster.version), collection)
        yield step


async def _looked_at(source: ServiceSource, version: Version, collection: Collection) -> CheckStep:
    name = str(collection)
    try:
        await source.client.get(f"{base_of(version, collection)}/{name}", {"limit": "1"})
    except (NotFound, Unavailable) as error:
        if collection in _GRADES:
            return CheckStep(name=name, ok=True, detail="not offered by the service, and in no package")
        return CheckStep(name=name, ok=False, detail=str(error), remedy=_ADDRESS)
    except NoAccess as error:
        return CheckStep(name=name, ok=False, detail=str(error), remedy=_RIGHT)
    except CredentialsNeeded as error:
        return CheckStep(name=name, ok=False, detail=str(error), remedy=_CREDENTIALS)
    except ConnectorError as error:
        return CheckStep(name=name, ok=False, detail=str(error), remedy=_ADDRESS)
    return CheckStep(name=name, ok=True)
