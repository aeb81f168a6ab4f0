"""Logging: events with fields, JSON off a terminal, and never a secret.

Bind what a piece of work is about once, at its top: `with bound(run=7, item=12): ...`; every event within has it.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.contextvars import bound_contextvars as bound

from coursekeep_daemon.secrets import HIDDEN, sounds_secret, without_credentials

__all__ = ["bound", "configure_logs", "hide_secrets"]

_QUERY = re.compile(r"(https?://[^\s?#\"'<>]+)[?#][^\s\"'<>]*")
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)

Event = MutableMapping[str, Any]


def configure_logs(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Set up structlog, and send what libraries log through it. `form` is `auto`, `json` or `text`."""
    out = stream or sys.stderr
    as_text = form == "text" or (form == "auto" and out.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.types.Processor] = [structlog.processors.format_exc_info, hide_secrets]
    last.append(structlog.dev.ConsoleRenderer(colors=out.isatty()) if as_text else structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for talkative in ("apscheduler", "httpx", "httpcore", "aiosqlite", "alembic", "procrastinate", "psycopg.pool"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # we say ourselves, once, what it says all the time


def hide_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Take secrets out of an event: values of keys that sound secret, queries of addresses, authorisations in text."""
    for key, value in event.items():
        event[key] = HIDDEN if value is not None and sounds_secret(key) else _clean(value)
    return event


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _BEARER.sub(rf"\1 {HIDDEN}", _QUERY.sub(r"\1", without_credentials(value)))
    if isinstance(value, Mapping):
        return {key: HIDDEN if sounds_secret(str(key)) else _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value
