"""What of Canvas's answers is never kept."""

from __future__ import annotations

from coursekeep import Redaction

__all__ = ["REDACTIONS"]

REDACTIONS: tuple[Redaction, ...] = (
    Redaction(
        name="canvas_uuids",
        reason="A course's or person's uuid opens its calendar feed, and a file's uuid opens the file, to anybody.",
        keys=frozenset({"uuid"}),
    ),
    Redaction(
        name="canvas_feeds",
        reason="Feed addresses hold a code that opens them to anybody.",
        keys=frozenset({"ics", "podcast_url"}),
    ),
    Redaction(
        name="canvas_file_addresses",
        reason="Verifiers and preview addresses grant access and differ at every reading; the file itself is kept.",
        keys=frozenset({"thumbnail_url", "canvadoc_session_url", "crocodoc_session_url"}),
        parameters=frozenset({"verifier", "blob", "hmac"}),
    ),
    Redaction(
        name="canvas_avatars",
        reason="Avatar addresses hold keys to pictures that are no part of the course.",
        keys=frozenset({"avatar_url", "avatar_image_url"}),
    ),
    Redaction(
        name="canvas_codes",
        reason="Access codes, join codes and keys of external tools open what they protect.",
        keys=frozenset(
            {
                "access_code",
                "self_enrollment_code",
                "join_code",
                "secure_params",
                "shared_secret",
                "consumer_key",
                "validation_token",
                "lti_secure_params",
            }
        ),
    ),
)
