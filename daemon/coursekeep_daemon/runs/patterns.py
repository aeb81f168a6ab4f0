"""Which courses a request takes and leaves out, by patterns such as `SANDBOX-*`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from coursekeep import Course

__all__ = ["Patterns"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Patterns:
    """Patterns with `*`, `?` and `[...]`, compared without regard to case with code, name, SIS id and account."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def take(self, course: Course) -> bool:
        """Tell whether a course is taken: it matches `include`, where there is any, and nothing of `exclude`."""
        words = [word.casefold() for word in (course.code, course.name, course.sis_id, course.account_name) if word]
        if self.include and not _any(words, self.include):
            return False
        return not _any(words, self.exclude)


def _any(words: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(word, pattern.casefold()) for pattern in patterns for word in words)
