"""What the parts of the store share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from coursekeep_daemon.store.database import Database
from coursekeep_daemon.store.reader import Reader
from coursekeep_daemon.store.transaction import Clock
from coursekeep_daemon.store.writer import Writer

__all__ = ["Room"]


class Room:
    """Base of the classes that `Store` is put together from, one per topic."""

    _database: Database
    _reader: Reader
    _writer: Writer
    _clock: Clock
    #: one thread for signs of life, which wait for nothing else
    _pulses: ThreadPoolExecutor | None
