"""What can go wrong with an LMS, split by what happens next.

::

    CoursekeepError
    ├── SettingsError            the settings are wrong; nothing was started
    ├── DeclarationError         what a connector declares cannot be meant so; the plugin is not loaded
    └── ConnectorError           an LMS or its connector could not do what was asked
        ├── RetryLater           the LMS is down, overloaded or throttling: try the course again later
        ├── CredentialsNeeded    the whole integration halts until an operator acts; items stay queued
        ├── NoAccess             this one object may not be read: a gap, or a course that fails with `no_access`
        ├── NotFound             the LMS says that this object does not exist
        ├── Unavailable          the LMS does not offer this part for this course (feature or tab switched off)
        ├── MalformedAnswer      the answer is not what the LMS promises: HTML for JSON, half a body, a page loop
        │   └── ForeignHost      a page or redirect leads to a host that must not receive the request
        └── StopRun              going on would do harm: the run ends as failed

Every message says what, where and what to do, and never holds a token or a signed URL.
"""

from __future__ import annotations

from urllib.parse import quote, quote_plus

__all__ = [
    "ConnectorError",
    "CoursekeepError",
    "CredentialsNeeded",
    "DeclarationError",
    "ForeignHost",
    "MalformedAnswer",
    "NoAccess",
    "NotFound",
    "RetryLater",
    "SettingsError",
    "StopRun",
    "Unavailable",
]


#: what stands in a message where a secret was
HIDDEN = "***"


class CoursekeepError(Exception):
    """Base of every error that Coursekeep raises on purpose."""


class SettingsError(CoursekeepError):
    """A setting is unknown, missing or has a value that cannot be used."""


class DeclarationError(CoursekeepError):
    """What a connector declares cannot be meant so. Raised while its module is imported; its author must act."""


class ConnectorError(CoursekeepError):
    """Base of what a connector may raise.

    `where` names the call it happened in, without query or secrets: ``GET /api/v1/courses/7``.
    """

    def __init__(self, message: str, *, where: str | None = None, status: int | None = None) -> None:
        super().__init__(message if where is None else f"{message} ({where})")
        self.message = message
        self.where = where
        #: HTTP status of the answer, where there was one
        self.status = status

    def hide(self, secret: str) -> None:
        """Take a secret out of the message, in every spelling that an address or a form may have."""
        for spelt in {secret, quote(secret, safe=""), quote_plus(secret)} - {""}:
            self.message = self.message.replace(spelt, HIDDEN)
            self.args = tuple(each.replace(spelt, HIDDEN) if isinstance(each, str) else each for each in self.args)


class RetryLater(ConnectorError):
    """The LMS cannot answer now. The course goes back to the queue, its attempt counted."""

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        status: int | None = None,
        after: float | None = None,
        throttled: bool = False,
    ) -> None:
        super().__init__(message, where=where, status=status)
        #: seconds that the LMS asked us to wait, if it said so
        self.after = after
        #: True where the LMS asked for fewer requests rather than failed
        self.throttled = throttled


class CredentialsNeeded(ConnectorError):
    """The credentials are unknown, expired, revoked or lack a scope. The integration halts with one alert."""


class NoAccess(ConnectorError):
    """The credentials are good, but do not allow this object. Never a reason to halt."""


class NotFound(ConnectorError):
    """The LMS says that the object does not exist, or no longer."""


class Unavailable(ConnectorError):
    """The LMS does not offer this part for this course, for example a feature that is switched off."""


class MalformedAnswer(ConnectorError):
    """The answer is not what the LMS promises, and asking again did not help."""


class ForeignHost(MalformedAnswer):
    """A page link or a redirect leads to a host that must not receive this request."""


class StopRun(ConnectorError):
    """Going on would do harm. The run ends as failed with this message."""
