"""Which courses a request takes and leaves out, by patterns such as `SANDBOX-*` or `account:Faculty of Science`.

A plain pattern is compared with code, name and SIS id of a course, and with the name of its sub-account. A pattern
that begins with `code:`, `name:` or `sis:` is compared with that alone; one that begins with `account:` with name, id
and SIS id of the course's sub-account and of every account above it, so that it stands for a whole branch.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from coursekeep import Account, Course

__all__ = ["LeftOut", "Patterns", "check_pattern"]

_ACCOUNT = "account"
_PLAIN = ("code", "name", "sis", "account name")
_PREFIXES = ("code", "name", "sis", _ACCOUNT)
#: how each is called for people
_TITLES = {"code": "code", "name": "name", "sis": "SIS id", "account name": "sub-account", _ACCOUNT: "account"}
_LONGEST = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """Why patterns leave a course out."""

    #: the pattern of `exclude` that did it; None where none of `include` matches
    pattern: str | None
    #: for people
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Patterns:
    """Patterns with `*`, `?` and `[...]`, compared without regard to case."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    #: the accounts of the LMS by id, where `by_account` asks for them
    accounts: Mapping[str, Account] = field(default_factory=dict)

    @property
    def by_account(self) -> bool:
        """Tell whether a pattern stands for a branch of accounts, so that these must be known."""
        return any(_split(pattern)[0] == (_ACCOUNT,) for pattern in (*self.include, *self.exclude))

    def knowing(self, accounts: Iterable[Account]) -> Patterns:
        """Return the same patterns, able to judge by accounts."""
        return replace(self, accounts={account.id: account for account in accounts})

    def left_out(self, course: Course) -> LeftOut | None:
        """Say why a course is left out; None where it is taken.

        A course is taken where it matches `include`, or that is empty, and nothing of `exclude`. One of which the LMS
        tells nothing to compare is taken too: it then fails where it can be seen, rather than vanish.
        """
        words = self._words(course)
        if not any(words.values()):
            return None
        for pattern in self.exclude:
            if found := _match(pattern, words):
                return LeftOut(pattern=pattern, detail=f"the pattern {pattern!r} of exclude matches its {found}")
        if self.include and not any(_match(pattern, words) for pattern in self.include):
            return LeftOut(pattern=None, detail="no pattern of include matches it")
        return None

    def _words(self, course: Course) -> dict[str, list[str]]:
        words: dict[str, list[str | None]] = {
            "code": [course.code],
            "name": [course.name],
            "sis": [course.sis_id],
            "account name": [course.account_name],
            _ACCOUNT: [course.account_id, course.account_name, *self._above(course)],
        }
        return {kind: [word for word in found if word] for kind, found in words.items()}

    def _above(self, course: Course) -> Iterator[str | None]:
        """Yield what the course's account and all above it are called. An LMS that says they go in a ring ends."""
        seen: set[str] = set()
        account = self.accounts.get(course.account_id or "")
        while account is not None and account.id not in seen:
            seen.add(account.id)
            yield from (account.name, account.id, account.sis_id)
            account = self.accounts.get(account.parent_id or "")


def check_pattern(pattern: str) -> None:
    """Raise ValueError, saying what to write, for a pattern that can match nothing or was meant otherwise."""
    if not _split(pattern)[1].strip():
        raise ValueError(f"{pattern!r} is no pattern; write one such as `SANDBOX-*` or `account:Faculty of Science`")
    if len(pattern) > _LONGEST:
        raise ValueError(f"a pattern has at most {_LONGEST} characters, this one {len(pattern)}")


def _split(pattern: str) -> tuple[tuple[str, ...], str]:
    """Return what a pattern is compared with, and the pattern itself. Codes may have colons: others are no prefix."""
    prefix, colon, rest = pattern.partition(":")
    if colon and prefix.strip().casefold() in _PREFIXES:
        return (prefix.strip().casefold(),), rest.strip()
    return _PLAIN, pattern


def _match(pattern: str, words: Mapping[str, Sequence[str]]) -> str | None:
    """Return what of a course a pattern matches, for people; None where it matches nothing."""
    kinds, glob = _split(pattern)
    folded = _folded(glob)
    for kind in kinds:
        for word in words[kind]:
            if fnmatchcase(_folded(word), folded):
                return f"{_TITLES[kind]} {word!r}"
    return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()
