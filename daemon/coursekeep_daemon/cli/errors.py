"""How commands end."""

from __future__ import annotations

__all__ = ["EXIT_COULD_NOT", "EXIT_INTERRUPTED", "EXIT_NOT_GOOD", "CliError"]

#: done, and what was asked about is not good: an invalid package, a run with errors, a failed check
EXIT_NOT_GOOD = 1
#: not done: wrong usage, daemon not reachable, request refused
EXIT_COULD_NOT = 2
#: Ctrl-C
EXIT_INTERRUPTED = 130


class CliError(Exception):
    """A command could not be done. The message says what, where, and what to do; the exit code is 2."""
