"""The service: builds and runs everything, and is what the API and the commands call. The one place where parts meet."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import structlog

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded
from coursekeep_daemon.engine import LocalEngine
from coursekeep_daemon.integrations import open_integrations
from coursekeep_daemon.lock import DataDirLock
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.origin import close_match
from coursekeep_daemon.package import Archive, VerifyReport
from coursekeep_daemon.registry import Registry, Unknown
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.runs.archiver import Archiver, Rules
from coursekeep_daemon.runs.dispatcher import Dispatcher
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.holds import Clock, Hold, Holds
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.planner import Planner, Preview, PreviewRow
from coursekeep_daemon.runs.planning import Plannings
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.schedule import Scheduler
from coursekeep_daemon.scheduled import ScheduledRuns, declared_schedules
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Run, Schedule, Store, StoredTerm

__all__ = ["BadRequest", "Hold", "Preview", "PreviewRow", "RunRequest", "Service"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
