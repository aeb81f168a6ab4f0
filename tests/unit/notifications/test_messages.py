"""What people read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from coursekeep_daemon.notifications.apprise import _Scrubber
from coursekeep_daemon.notifications.messages import _REASONS, message_of
from coursekeep_daemon.notifications.records import Notification, NotificationKind
from coursekeep_daemon.runs.states import FailReason

DATA: dict[NotificationKind, dict[str, Any]] = {
    NotificationKind.RUN_FAILED: {
        "status": "completed_with_errors",
        "reason": None,
        "started_by": "ann",
        "total": 1300,
        "counts": {"completed": 1287, "failed": 13},
        "reasons": [{"reason": "no_access", "count": 7}, {"reason": "new_word", "count": 2}],
    },
    NotificationKind.RUN_RECOVERED: {
        "counts": {"failed_reimported": 2, "canceled": 40},
        "archived_by_runs": [13, 14],
    },
    NotificationKind.CREDENTIALS_NEEDED: {"reason": "401 from https://u:hidden@lms.example/x?token=hidden"},
    NotificationKind.CREDENTIALS_RENEWED: {"since": "2026-03-01T12:00:00Z"},
    NotificationKind.CREDENTIALS_EXPIRING: {"when": "2027-01-31 is their last day", "remedy": "Renew them."},
    NotificationKind.STORAGE_HELD: {"reason": "no space left", "since": "2026-03-01T12:00:00Z"},
    NotificationKind.STORAGE_RELEASED: {"since": "2026-03-01T12:00:00Z"},
    NotificationKind.PACKAGE_DAMAGED: {
        "count": 12,
        "missing": 1,
        "packages": [
            {"package_id": "urn:uuid:1", "course_id": "7", "kind": "damaged", "problems": 3, "detail": None},
            {
                "package_id": "urn:uuid:2",
                "course_id": "8",
                "kind": "missing",
                "problems": 1,
                "detail": "https://u:hidden@s3",
            },
        ],
    },
    NotificationKind.PACKAGE_REPAIRED: {
        "count": 1,
        "missing": 0,
        "packages": [
            {"package_id": "urn:uuid:1", "course_id": "7", "kind": "damaged", "problems": 3, "detail": "from a copy"}
        ],
    },
    NotificationKind.REPLICA_AWAY: {
        "replica": "/mnt/copy",
        "reason": "403 from https://u:hidden@s3.example",
        "since": "2026-03-01T12:00:00Z",
    },
    NotificationKind.REPLICA_BACK: {"replica": "/mnt/copy", "since": "2026-03-01T12:00:00Z"},
}


def made(kind: NotificationKind, **data: Any) -> Notification:
    of_run = kind in (NotificationKind.RUN_FAILED, NotificationKind.RUN_RECOVERED)
    storage = kind in (NotificationKind.STORAGE_HELD, NotificationKind.STORAGE_RELEASED)
    return Notification(
        id=1,
        uid="abc",
        kind=kind,
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        integration=None if storage else "main",
        run_id=12 if of_run else None,
        data=DATA[kind] | data,
    )


@pytest.mark.parametrize("kind", NotificationKind)
def test_every_kind_has_a_short_subject_a_text_and_a_link(kind: NotificationKind) -> None:
    """Subjects are one short line; texts say where to look, when an address is set; secrets are taken out."""
    message = message_of(made(kind), "https://keep.example")
    bare = message_of(made(kind), None)

    assert message.subject.startswith("Coursekeep: ")
    assert len(message.subject) < 80
    assert "\n" not in message.subject
    assert message.text.endswith(f"\n\n{message.url}")
    assert message.url == ("https://keep.example/runs/12" if message.run else "https://keep.example")
    assert (bare.url, bare.text) == (None, message.text.removesuffix(f"\n\n{message.url}"))
    assert "hidden" not in str(message.payload())


def test_a_replica_that_is_away_is_named_with_what_to_do() -> None:
    """The text says which, since when, why, what to do, and that archiving goes on; its end names the same."""
    away = message_of(made(NotificationKind.REPLICA_AWAY, reason="no disk"), None).text
    back = message_of(made(NotificationKind.REPLICA_BACK), None).text

    for words in ("/mnt/copy", "2026-03-01T12:00:00Z", "no disk", "What to do: ", "Archiving goes on"):
        assert words in away
    assert "/mnt/copy" in back
    assert "2026-03-01T12:00:00Z" in back


def test_the_text_of_a_run_counts_everything() -> None:
    """Counts, known and unknown reasons, and what is left over are all in the text."""
    text = message_of(made(NotificationKind.RUN_FAILED), None).text

    assert "13 courses could not be archived" in text
    assert "1,287 archived, 13 failed" in text
    assert "- 7 x no_access: the credentials do not allow these courses" in text
    assert "- 2 x new_word: see the run" in text
    assert "- 4 for other reasons" in text


def test_a_run_that_failed_as_a_whole_says_why() -> None:
    """The reason is in the text, in one line, cut where it is long; without failed courses no reimport is advised."""
    reason = "no such term\r\nSubject: mine\n" + "x" * 10_000
    message = message_of(made(NotificationKind.RUN_FAILED, reason=reason, counts={}, reasons=[]), None)

    assert message.subject == "Coursekeep: run 12 failed (main)"
    assert "has failed: no such term  Subject: mine" in message.text
    assert len(message.text) < 1000
    assert "start a new run" in message.text
    assert "reimport" not in message.text


def test_a_recovery_does_not_hide_what_was_canceled() -> None:
    """Canceled courses are counted, and said not to be archived."""
    text = message_of(made(NotificationKind.RUN_RECOVERED), None).text

    many = message_of(made(NotificationKind.RUN_RECOVERED, archived_by_runs=[*range(1, 9)]), None).text

    assert "by run 13, 14." in text
    assert "by run 4, 5, 6, 7, 8 and 3 before." in many
    assert "40 canceled" in text
    assert "were not archived by this" in text


def test_every_reason_of_a_failure_has_words() -> None:
    """A new reason needs an explanation here too."""
    assert set(_REASONS) == set(FailReason)


def test_pieces_of_an_address_are_taken_out_of_what_apprise_says() -> None:
    """Encoded or not, passwords, hosts, paths and recipients do not pass; other words do."""
    scrub = _Scrubber("mailtos://someone:p%40ss%2Fword@mail.example.edu/path?to=ann@example.edu&from=x")

    said = scrub("Login of someone with p@ss/word or p%40ss%2Fword at mail.example.edu/path for\nann failed: error 535")

    assert said == "Login of *** with *** or *** at ***/*** for *** failed: error 535"
