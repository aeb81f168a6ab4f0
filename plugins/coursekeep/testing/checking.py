"""The check of an integration finds what is wrong, and says what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import pytest

from coursekeep.connector import Connector
from coursekeep.records import CheckStep
from coursekeep.retry import NO_RETRY
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import items, needs_http, run

__all__ = ["CheckPromises"]


def _unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("no connection")


#: what a broken LMS answers
_BROKEN: Mapping[str, Callable[[httpx.Request], httpx.Response]] = {
    "unreachable": _unreachable,
    "error": lambda request: httpx.Response(502, html="<html>Bad gateway</html>"),
    "html": lambda request: httpx.Response(200, html="<html>Log in</html>"),
    "refused": lambda request: httpx.Response(401, json={}, headers={"WWW-Authenticate": "Bearer"}),
    "empty": lambda request: httpx.Response(200, json=None),
}


class CheckPromises:
    """What holds of `check()`."""

    @promise(Area.CHECK, Grade.REQUIRED)
    def test_check_passes(self, connector: Connector[Any]) -> None:
        """The check of a good integration yields named steps, all of them ok."""
        steps = run(connector, lambda: items(connector.check()))
        assert steps, "check() yielded no step"
        assert all(isinstance(step, CheckStep) and step.name for step in steps), "a step has no name"
        failed = [f"{step.name}: {step.detail}" for step in steps if not step.ok]
        assert not failed, f"steps failed though all is well: {failed}"

    @promise(Area.CHECK, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", list(_BROKEN))
    def test_check_tells_what_to_do(self, connector: Connector[Any], fault: str) -> None:
        """The check of a broken LMS raises nothing: its last step has failed, and says what to do."""
        needs_http(connector)
        broken = type(connector)(connector.settings, transport=httpx.MockTransport(_BROKEN[fault]), retry=NO_RETRY)
        _hold_failed_check(broken, f"the LMS is {fault}")

    @promise(Area.CHECK, Grade.REQUIRED)
    def test_check_of_broken_settings(self, connector: Connector[Any], broken: Sequence[Connector[Any]]) -> None:
        """The check of settings that lead nowhere raises nothing either."""
        assert broken or connector.over_http, "override the fixture `broken`: no fault can be sent over HTTP"
        if not broken:
            not_applicable("broken LMSs are told by test_check_tells_what_to_do")
        for one in broken:
            _hold_failed_check(one, "it is broken")


def _hold_failed_check(broken: Connector[Any], why: str) -> None:
    steps = run(broken, lambda: items(broken.check()))
    assert steps, "check() yielded no step"
    assert not steps[-1].ok, f"the last step is ok, though {why}"
    assert all(step.ok or (step.detail and step.remedy) for step in steps), "a failed step lacks detail or remedy"
