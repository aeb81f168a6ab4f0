"""What an operator is told before the first course: does the address answer, is the token good and strong enough?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded
from coursekeep_connectors.moodle.calls import Calls
from coursekeep_connectors.moodle.settings import MoodleSettings

__all__ = ["check_moodle"]

Steps = AsyncGenerator[CheckStep, None]

_ADDRESS = "Check the address, the network and the certificate; the answer must come from Moodle itself."
_TOKEN = (
    "In Moodle, open Site administration, Server, Web services, Manage tokens, and make a token for the service account"  # noqa: S105
    " and the service made for Coursekeep."
)


async def check_moodle(calls: Calls, settings: MoodleSettings) -> Steps:
    """Yield the steps; those that make no sense after a failed one are left out."""
    try:
        info = await calls.info(fresh=True)
    except CredentialsNeeded as error:
        yield CheckStep(name="address", ok=True, detail=settings.base_url)
        yield CheckStep(name="credentials", ok=False, detail=str(error), remedy=_TOKEN)
        return
    except ConnectorError as error:
        yield CheckStep(name="address", ok=False, detail=str(error), remedy=_ADDRESS)
        return
    yield CheckStep(name="address", ok=True, detail=f"{info.name}, Moodle {info.release}")
    yield CheckStep(name="credentials", ok=True, detail=f"token of user {info.user_id}")
