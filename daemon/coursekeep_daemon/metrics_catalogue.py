"""Every metric by name: its kind, what it says, its labels. Names are stable; docs/reference/metrics.md explains them.

Labels have few values, all of which an operator has named (integrations, schedules, targets) or this program knows
(statuses, reasons). Ids of runs, items and courses are never labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CATALOGUE", "MetricKind", "MetricSpec", "WaitReason", "exposed"]


class MetricKind(StrEnum):
    """What Prometheus makes of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class WaitReason(StrEnum):
    """Why items wait. A level of hold that this program learns later tells its own name."""

    PAUSED = "paused"
    UNUSABLE = "unusable"  # the integration is missing or disabled in the settings, or its connector failed
    CREDENTIALS = "credentials"
    STORAGE = "storage"
    LMS = "lms"
    WORKERS = "workers"
    NOT_DUE = "not_due"
    TURN = "turn"  # nothing holds them: they are next as soon as there is a slot


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricSpec:
    """One metric."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    #: read from the store, so that every daemon on one database says the same
    shared: bool = False


def _counter(name: str, help_: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind=MetricKind.COUNTER, help=help_, labels=labels)


def _gauge(name: str, help_: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind=MetricKind.GAUGE, help=help_, labels=labels)


def _shared(name: str, help_: str, *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind=MetricKind.GAUGE, help=help_, labels=labels, shared=True)


def _histogram(name: str, help_: str, buckets: tuple[float, ...], *labels: str) -> MetricSpec:
    return MetricSpec(name=name, kind=MetricKind.HISTOGRAM, help=help_, labels=labels, buckets=buckets)


_MINUTES = (1, 5, 15, 60, 300, 900, 3600, 14400)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_MILLISECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_CHANGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

CATALOGUE: tuple[MetricSpec, ...] = (
    _gauge("coursekeep_info", "1; the label is the version of the program.", "version"),
    # what becomes of courses
    _counter("coursekeep_courses_total", "Courses by what became of them.", "integration", "status"),
    _counter("coursekeep_course_retries_total", "Further attempts at courses, counted when they end.", "integration"),
    _counter("coursekeep_gaps_total", "Gaps of completed courses.", "integration"),
    _counter("coursekeep_payload_bytes_total", "Payload of new package versions.", "integration"),
    _histogram("coursekeep_course_seconds", "Duration of attempts that ended a course.", _MINUTES, "integration"),
    _counter("coursekeep_runs_requested_total", "Runs requested.", "integration"),
    _gauge("coursekeep_courses_in_flight", "Courses being archived now by this process."),
    # the LMSs
    _histogram(
        "coursekeep_lms_request_seconds", "From a request to the first byte of its answer.", _SECONDS, "integration"
    ),
    _counter("coursekeep_lms_answers_total", "Answers: 2xx, 3xx, 4xx, 5xx, none.", "integration", "class"),
    _counter("coursekeep_lms_throttled_total", "Answers by which the LMS asked for fewer requests.", "integration"),
    _counter("coursekeep_lms_retries_total", "Requests made again.", "integration"),
    _counter("coursekeep_lms_received_bytes_total", "Bytes of answers and files, as they came.", "integration"),
    _gauge("coursekeep_lms_requests_in_flight", "Requests in flight now.", "integration"),
    _gauge("coursekeep_lms_requests_allowed", "Requests that may be in flight now.", "integration"),
    # what waits, and why
    _shared("coursekeep_queue_items", "Items of open runs: queued, processing.", "integration", "status"),
    _shared("coursekeep_open_runs", "Runs that have not ended.", "integration", "status"),
    _shared("coursekeep_waiting_items", "Queued items by what they wait for.", "integration", "reason"),
    _shared("coursekeep_waiting_runs", "Runs with queued items by what holds them.", "integration", "reason"),
    _shared("coursekeep_queue_oldest_seconds", "How long the oldest item waits that could begin.", "integration"),
    _gauge("coursekeep_leads", "1 where this daemon leads: plans runs, hands out courses, starts schedules."),
    _shared("coursekeep_workers", "Worker processes that give signs of life: working, draining.", "state"),
    _shared("coursekeep_worker_slots", "Courses that all workers together may have in flight."),
    _shared("coursekeep_worker_slots_busy", "Courses that all workers together have in flight."),
    _gauge("coursekeep_integration_held", "1 while trouble holds an integration.", "integration"),
    _gauge("coursekeep_storage_held", "1 while storage holds the work."),
    _gauge("coursekeep_replica_away", "1 while nothing can be copied to a replica.", "replica"),
    # the store
    _gauge("coursekeep_store_up", "1 where the store could be read for this answer."),
    _histogram("coursekeep_store_batch_changes", "Changes that became one transaction.", _CHANGES),
    _histogram("coursekeep_store_commit_seconds", "Duration of a writing transaction.", _MILLISECONDS),
    _histogram("coursekeep_store_read_seconds", "Duration of a read.", _MILLISECONDS),
    _gauge("coursekeep_store_changes_waiting", "Changes that wait for the next transaction."),
    # the archive
    _shared("coursekeep_archive_free_bytes", "Free space where packages are kept."),
    _shared("coursekeep_archive_size_bytes", "Size of the file system where packages are kept."),
    # fixity
    _gauge("coursekeep_fixity_packages", "Packages: all, verified within the period, unverified, overdue.", "state"),
    _gauge("coursekeep_fixity_findings", "Packages that are not as they were written: open, accepted.", "state"),
    _gauge("coursekeep_fixity_oldest_seconds", "Age of the oldest verification, or of what was never verified."),
    _counter("coursekeep_fixity_checks_total", "Checks: valid, damaged, missing, unreadable, busy.", "result"),
    _counter("coursekeep_fixity_bytes_total", "Bytes read and hashed to verify packages."),
    _counter("coursekeep_fixity_repairs_total", "Repairs: done, failed.", "result"),
    # schedules, credentials, notifications
    _shared("coursekeep_schedule_last_slot_timestamp_seconds", "Last time that a schedule was kept.", "schedule"),
    _shared("coursekeep_schedule_late_seconds", "How long a schedule's time has passed without a run.", "schedule"),
    _shared("coursekeep_schedule_failed", "1 where the last time of a schedule could start no run.", "schedule"),
    _shared("coursekeep_credentials_end_timestamp_seconds", "When credentials end, if known.", "integration"),
    _shared("coursekeep_notifications_pending", "Messages still to be delivered.", "target"),
    _counter("coursekeep_notification_deliveries_total", "Attempts: delivered, failed, given_up.", "target", "result"),
    # the process
    _gauge("coursekeep_plugins", "Plugins by state.", "state"),
    _gauge("process_virtual_memory_bytes", "Virtual memory."),
    _gauge("process_resident_memory_bytes", "Resident memory."),
    _gauge("process_start_time_seconds", "When the process started."),
    _counter("process_cpu_seconds_total", "Time of the processor, user and system."),
    _gauge("process_open_fds", "Open file descriptors."),
    _gauge("process_max_fds", "File descriptors that may be open."),
)


def exposed(spec: MetricSpec) -> frozenset[str]:
    """Return the names under which a query finds a metric."""
    if spec.kind is MetricKind.HISTOGRAM:
        return frozenset(f"{spec.name}_{end}" for end in ("bucket", "sum", "count"))
    return frozenset({spec.name})
