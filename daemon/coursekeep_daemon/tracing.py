"""Traces: one per course import, with a span for each step of it and for each request to the LMS.

Off unless the settings name an endpoint; then `tracing_otlp.py`, the only module that knows OpenTelemetry, is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from coursekeep import Asked, Observer, SettingsError
from coursekeep_daemon.secrets import resolve_secrets
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Item, ItemResult

__all__ = ["Span", "Tracing", "both", "note_result", "open_tracing"]


class Span:
    """One step of a course import. What is noted is a number or a stable word, never what an LMS has written."""

    def note(self, **attributes: str | int | float | bool) -> None:
        """Add attributes, named `coursekeep.NAME` in the trace."""


class Tracing:
    """Makes traces. This one makes none."""

    @contextmanager
    def course(self, item: Item) -> Iterator[Span]:
        """Trace one attempt at a course for as long as the context lasts; logs within have the trace's id."""
        yield Span()

    @contextmanager
    def step(self, name: str) -> Iterator[Span]:
        """Trace a step of the attempt that is going on; without one, nothing."""
        yield Span()

    def lms_observer(self, integration: str) -> Observer:
        """Return what traces the requests of an integration's client."""
        return Observer()

    async def stop(self) -> None:
        """Send what is left, but wait only a moment for it."""


def note_result(span: Span, result: ItemResult) -> None:
    """Note on a course's span what became of the attempt."""
    span.note(status=result.status.value, gaps=result.gaps)
    if result.reason is not None:
        span.note(reason=str(result.reason))
    if result.version is not None:
        span.note(payload_bytes=result.version.payload_bytes, payload_files=result.version.payload_files)


def open_tracing(settings: Settings, version: str) -> Tracing:
    """Return what makes traces as the settings say. Raises `SettingsError` where that cannot be."""
    telemetry = settings.telemetry
    if telemetry.endpoint is None:
        return Tracing()
    headers = resolve_secrets(telemetry.headers, ("telemetry", "headers"), settings.origin)
    try:
        from coursekeep_daemon.tracing_otlp import OtlpTracing
    except ModuleNotFoundError as error:
        raise SettingsError(
            "`endpoint` in [telemetry] asks for traces, and what sends them is not installed: "
            "pip install 'coursekeep[telemetry]', or take `endpoint` out."
        ) from error
    return OtlpTracing(telemetry, {name: str(value) for name, value in headers.items()}, version)


def both(observers: Sequence[Observer]) -> Observer:
    """Return an observer that tells others."""
    return _Several(observers)


class _Several(Observer):
    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = observers

    def asked(self, request: Asked) -> None:
        for each in self._observers:
            each.asked(request)

    def received(self, size: int) -> None:
        for each in self._observers:
            each.received(size)

    def throttled(self) -> None:
        for each in self._observers:
            each.throttled()

    def retried(self) -> None:
        for each in self._observers:
            each.retried()
