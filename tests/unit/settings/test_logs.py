"""Logs: events as JSON, with what they are about, and without secrets."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog

from coursekeep_daemon.logs import bound, configure_logs, hide_secrets


@pytest.fixture
def stream():
    out = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logs("info", "json", out)
    yield out
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_an_event_is_one_line_of_json_with_what_is_bound(stream):
    """Run and item, bound once, stand in every event within."""
    with bound(run=7, item=12):
        structlog.get_logger("x").info("course_done", status="completed")

    event = json.loads(stream.getvalue())

    assert (event["event"], event["run"], event["item"], event["level"]) == ("course_done", 7, 12, "info")
    assert event["timestamp"].endswith("Z")


def test_log_level_leaves_out_what_is_less_severe(stream):
    """With `log_level` = error only errors are logged, by us and by libraries."""
    configure_logs("error", "json", stream)
    structlog.get_logger("x").info("small_thing")
    logging.getLogger("lib").warning("small too")
    structlog.get_logger("x").error("large_thing")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["large_thing"]


def test_what_libraries_log_takes_the_same_form(stream):
    """Events of the standard library come out as JSON too, redacted."""
    logging.getLogger("lib").warning("asked %s", "https://x.example/f?token=abc")

    event = json.loads(stream.getvalue())

    assert event["event"] == "asked https://x.example/f"


def test_a_traceback_holds_no_secret(stream):
    """An exception's text is redacted like any other."""
    try:
        raise ValueError("GET https://x.example/f?X-Amz-Signature=abc with Bearer abcdefghijk")
    except ValueError:
        structlog.get_logger("x").exception("failed")

    assert "abc" not in stream.getvalue()


def test_keys_that_sound_secret_are_hidden():
    """Values of keys such as token or authorization never get out, at any depth."""
    event = hide_secrets(None, "info", {"token": "a", "headers": {"Authorization": "b", "host": "c"}, "note": None})

    assert event == {"token": "***", "headers": {"Authorization": "***", "host": "c"}, "note": None}
