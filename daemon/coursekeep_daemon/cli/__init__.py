"""The command line. Its modules parse, call and print; what they call lives elsewhere."""

from coursekeep_daemon.cli.app import main

__all__ = ["main"]
