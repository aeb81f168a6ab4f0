"""What executes course imports."""

from coursekeep_daemon.engine.base import Engine, Work
from coursekeep_daemon.engine.local import LocalEngine

__all__ = ["Engine", "LocalEngine", "Work"]
