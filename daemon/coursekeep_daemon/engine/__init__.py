"""What executes course imports: the daemon itself, or workers."""

from coursekeep_daemon.engine.base import Engine
from coursekeep_daemon.engine.local import LocalEngine
from coursekeep_daemon.engine.opening import open_engine
from coursekeep_daemon.engine.rhythm import Rhythm

__all__ = ["Engine", "LocalEngine", "Rhythm", "open_engine"]
