"""`coursekeep demo`: a small LMS, a daemon, and everything that can become of a course, on one machine."""

from coursekeep_daemon.demo.main import Options, run

__all__ = ["Options", "run"]
