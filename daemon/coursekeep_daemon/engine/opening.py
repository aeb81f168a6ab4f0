"""Opening the engine with workers, whose library is an extra: whoever does not use it does not need it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from coursekeep import SettingsError
from coursekeep_daemon.engine.base import Engine
from coursekeep_daemon.engine.rhythm import Rhythm
from coursekeep_daemon.store import Store

__all__ = ["open_engine"]


def open_engine(
    url: str, password: str | None, store: Store, clock: Callable[[], datetime], rhythm: Rhythm | None = None
) -> Engine:
    """Return the leader's side of the engine with workers. Raises `SettingsError` where it cannot be used."""
    arguments = Store.driver_arguments(url, password=password)
    try:
        from coursekeep_daemon.engine.offering import OfferingEngine
        from coursekeep_daemon.engine.procrastinate import Jobs
    except ModuleNotFoundError as error:
        raise SettingsError(
            "engine.kind is `procrastinate`, and that library is not installed: pip install 'coursekeep[postgresql]'"
        ) from error
    return OfferingEngine(store, Jobs(arguments), clock, rhythm)
