"""Traces sent by OTLP over HTTP. The only module that knows OpenTelemetry, which comes with the extra `telemetry`.

Nothing here waits for the receiver: spans go into a queue of bounded length, and a thread sends them. A receiver that
is away costs the spans that do not fit, one line in the log, and nothing else. Exceptions are named by their kind
only, since a message of unknown origin may hold anything.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode

from coursekeep import Asked, Observer
from coursekeep_daemon.logs import bound
from coursekeep_daemon.sections import TelemetrySettings
from coursekeep_daemon.store import Item
from coursekeep_daemon.tracing import Span, Tracing

__all__ = ["OtlpTracing"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: spans that wait to be sent; more are dropped
_QUEUE = 4096
_BATCH = 512
#: seconds that one sending may take
_TIMEOUT = 3.0
#: seconds that what is left at a stop gets
_LAST = 2.0


class OtlpTracing(Tracing):
    """Makes traces, and has them sent."""

    def __init__(
        self, settings: TelemetrySettings, headers: Mapping[str, str], version: str, *, pause: float = 2.0
    ) -> None:
        """Take the settings with their headers resolved; spans are sent every `pause` seconds. Connects nowhere yet."""
        address = f"{settings.endpoint}/v1/traces"
        self._exporter = _Exporter(OTLPSpanExporter(endpoint=address, headers=dict(headers), timeout=_TIMEOUT))
        self._processor = BatchSpanProcessor(
            self._exporter,
            max_queue_size=_QUEUE,
            max_export_batch_size=_BATCH,
            schedule_delay_millis=pause * 1000,
        )
        about = {
            "service.name": settings.service_name,
            "service.version": version,
            "service.instance.id": str(uuid.uuid4()),
        }
        provider = TracerProvider(
            sampler=TraceIdRatioBased(settings.sample_ratio), resource=Resource.create(about), shutdown_on_exit=False
        )
        provider.add_span_processor(self._processor)
        self._tracer = provider.get_tracer("coursekeep", version)

    @contextmanager
    def course(self, item: Item) -> Iterator[Span]:
        with self._span("course", SpanKind.INTERNAL) as span:
            span.note(integration=item.integration, run=item.run_id, item=item.id, attempt=item.attempts)
            with bound(trace=f"{trace.get_current_span().get_span_context().trace_id:032x}"):
                yield span

    @contextmanager
    def step(self, name: str) -> Iterator[Span]:
        if not trace.get_current_span().get_span_context().is_valid:
            yield Span()
            return
        with self._span(name, SpanKind.INTERNAL) as span:
            yield span

    def lms_observer(self, integration: str) -> Observer:
        return _LmsObserver(self._tracer, integration)

    async def stop(self) -> None:
        flushing = asyncio.create_task(asyncio.to_thread(self._processor.force_flush))
        await asyncio.wait({flushing}, timeout=_LAST)
        self._exporter.close()
        await asyncio.to_thread(self._processor.shutdown)
        await flushing

    @contextmanager
    def _span(self, name: str, kind: SpanKind) -> Iterator[_OtlpSpan]:
        """Open a span. An exception that passes is named by its kind; its message stays out."""
        with self._tracer.start_as_current_span(
            name, kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield _OtlpSpan(span)
            except BaseException as error:
                span.set_status(Status(StatusCode.ERROR))
                span.set_attribute("error.type", type(error).__name__)
                raise


class _OtlpSpan(Span):
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: str | int | float | bool) -> None:
        self._span.set_attributes({f"coursekeep.{name}": value for name, value in attributes.items()})


class _LmsObserver(Observer):
    """Makes a span of each request that belongs to a course, once its answer has begun."""

    def __init__(self, tracer: trace.Tracer, integration: str) -> None:
        self._tracer = tracer
        self._integration = integration

    def asked(self, request: Asked) -> None:
        if not trace.get_current_span().is_recording():
            return
        now = time.time_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "url.template": request.path or "(file)",
            "coursekeep.integration": self._integration,
        }
        if request.status is not None:
            attributes["http.response.status_code"] = request.status
        if request.failure:
            attributes["error.type"] = request.failure
        span = self._tracer.start_span(
            f"{request.method} {attributes['url.template']}",
            kind=SpanKind.CLIENT,
            start_time=now - int(request.seconds * 1e9),
            attributes=attributes,
        )
        if request.status is None or request.status >= 400:
            span.set_status(Status(StatusCode.ERROR))
        span.end(now)


class _Exporter(SpanExporter):
    """Sends spans, tells once when that begins to fail, and sends nothing after its end."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._closed = threading.Event()
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self._closed.is_set():
            return SpanExportResult.FAILURE
        result = self._inner.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning("traces_not_sent", remedy="look whether telemetry.endpoint is right and its receiver runs")
        elif self._failing and not failing:
            log.info("traces_sent_again")
        self._failing = failing
        return result

    def close(self) -> None:
        """Send nothing more, and end the wait of a sending that is tried again."""
        if not self._closed.is_set():
            self._closed.set()
            self._inner.shutdown()

    def shutdown(self) -> None:
        self.close()
