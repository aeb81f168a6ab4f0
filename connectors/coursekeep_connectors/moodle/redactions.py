"""What of Moodle's answers is never kept."""

from __future__ import annotations

from coursekeep import Redaction

__all__ = ["REDACTIONS"]

REDACTIONS: tuple[Redaction, ...] = (
    Redaction(
        name="moodle_keys",
        reason="Private keys and secrets of the site open files and services to whoever reads them.",
        keys=frozenset({"userprivateaccesskey", "privatetoken", "sitesecret", "wstoken", "sesskey"}),
        parameters=frozenset({"sesskey", "privatetoken"}),
        paths=frozenset({"tokenpluginfile.php"}),
    ),
    Redaction(
        name="moodle_feeds",
        reason="Addresses of calendars and news feeds hold a token that opens them to anybody.",
        parameters=frozenset({"authtoken"}),
        paths=frozenset({"rss/file.php/*"}),
    ),
    Redaction(
        name="moodle_join_keys",
        reason="Enrolment keys, passwords of tools and codes of meetings let anybody in.",
        keys=frozenset({"enrolmentkey", "moderatorpass", "viewerpass", "guestpassword", "resourcekey", "servicesalt"}),
    ),
    Redaction(
        name="moodle_pictures",
        reason="Addresses of profile pictures differ from theme to theme; the pictures are no part of the course.",
        keys=frozenset({"profileimageurl", "profileimageurlsmall", "userpictureurl", "usermodifiedpictureurl"}),
    ),
)
