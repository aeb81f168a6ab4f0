"""How commands end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["EXIT_COULD_NOT", "EXIT_INTERRUPTED", "EXIT_NOT_GOOD", "CliError", "told_as_cli_errors"]

#: done, and what was asked about is not good: an invalid package, a run with errors, a failed check
EXIT_NOT_GOOD = 1
#: not done: wrong usage, daemon not reachable, request refused
EXIT_COULD_NOT = 2
#: Ctrl-C
EXIT_INTERRUPTED = 130


class CliError(Exception):
    """A command could not be done. The message says what, where, and what to do; the exit code is 2."""


@contextmanager
def told_as_cli_errors() -> Iterator[None]:
    """Raise what the rooms of the daemon raise on purpose as `CliError`.

    Their base class is imported only here: a command that asks a daemon over HTTP starts twice as fast without.
    """
    from coursekeep import CoursekeepError

    try:
        yield
    except CoursekeepError as error:
        raise CliError(str(error)) from error
