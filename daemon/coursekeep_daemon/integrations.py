"""From the settings to open connectors: one per integration, shared by all its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict

import structlog

from coursekeep import CheckStep, CredentialsNeeded, LmsClient, RetryPolicy, SettingsError
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.registry import Registry, Unknown
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.settings import Settings, connector_settings
from coursekeep_daemon.store import Store, StoredTerm

__all__ = ["Questions", "open_integrations"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: is told the client of an integration that has been opened
Opened = Callable[[str, LmsClient], None]


async def open_integrations(
    settings: Settings,
    registry: Registry,
    stack: AsyncExitStack,
    *,
    retry: RetryPolicy | None = None,
    opened: Opened = lambda name, client: None,
) -> tuple[dict[str, Lms], dict[str, str]]:
    """Open the connectors of all enabled integrations; `stack` closes them. `opened` is called with each one's client.

    Returns those that can be worked with, and why others cannot. Raises `SettingsError` for what is wrong in the
    settings. A plugin at fault stops nothing: its integrations cannot be worked with, and all others can.
    """
    usable: dict[str, Lms] = {}
    unusable: dict[str, str] = {}
    for name, integration in settings.integrations.items():
        if not integration.enabled:
            unusable[name] = "the integration is not enabled in the settings"
            continue
        try:
            usable[name] = await _open(settings, registry, name, stack, retry)
            if usable[name].connector.over_http:
                opened(name, usable[name].connector.client)
        except Unknown as error:
            unusable[name] = _excused(settings, registry, name, error)
        except SettingsError as error:
            registry.bad_settings(integration.connector, str(error))
            raise
        except Exception as error:  # plugin boundary: a connector may raise anything
            log.exception("connector_failed", integration=name, connector=integration.connector)
            unusable[name] = f"the connector {integration.connector} could not be opened: {type(error).__name__}"
    return usable, unusable


async def _open(
    settings: Settings, registry: Registry, name: str, stack: AsyncExitStack, retry: RetryPolicy | None
) -> Lms:
    integration = settings.integrations[name]
    connector_class = registry.connector(integration.connector)
    own = connector_settings(settings, name, connector_class.Settings)
    connector = await stack.enter_async_context(connector_class(own, retry=retry))
    return Lms(
        name=name,
        id=integration.id or name,
        connector=connector,
        courses_at_once=integration.courses_at_once or settings.engine.concurrency,
    )


def _excused(settings: Settings, registry: Registry, name: str, error: Unknown) -> str:
    """Say why an integration without connector must wait, if a plugin that failed may be to blame; else refuse it."""
    failed = registry.failed()
    if not failed:
        raise settings.origin.error(("integrations", name, "connector"), str(error))
    blamed = ", ".join(f"{plugin.name} ({plugin.reason})" for plugin in failed)
    reason = f"{error}; plugins that could not be loaded: {blamed}"
    log.error("integration_unusable", integration=name, reason=reason)
    return reason


class Questions:
    """What operators ask of an LMS besides runs."""

    def __init__(self, store: Store, holds: Holds, expiry: Expiry) -> None:
        self._store = store
        self._holds = holds
        self._expiry = expiry

    async def check(self, lms: Lms) -> list[CheckStep]:
        """Run the connector's check, and keep its steps; where all are well, a halted integration goes on."""
        steps: list[CheckStep] = []
        try:
            async with aclosing(lms.connector.check()) as found:  # type: ignore[type-var]  # an async generator
                async for step in found:
                    steps.append(step)  # noqa: PERF401  # those before a fault count too
        except Exception as error:  # plugin boundary: `check` should raise nothing
            log.exception("connector_error", integration=lms.name, during="check")
            remedy = "The log has the traceback; tell the connector's author."
            steps.append(CheckStep(name="check", ok=False, detail=type(error).__name__, remedy=remedy))
        if steps:
            steps += await self._expiry.steps(lms.name)
        await self._store.save_check(lms.name, steps)
        if steps and all(step.ok for step in steps):
            await self._holds.credentials_renewed(lms.name)
        return steps

    async def check_halted(self, lmses: Mapping[str, Lms]) -> None:
        """Check the integrations that were halted at the last stop: an operator may have renewed the credentials."""
        for integration in await self._store.integrations():
            if integration.halted_reason is not None and integration.name in lmses:
                await self.check(lmses[integration.name])

    async def refresh_terms(self, lms: Lms) -> int:
        """Read the terms again, and return how many there are. Raises what the connector raises."""
        try:
            async with aclosing(lms.connector.terms()) as found:  # type: ignore[type-var]  # an async generator
                terms = [StoredTerm(integration=lms.name, **asdict(term)) async for term in found]
        except CredentialsNeeded as error:
            await self._holds.credentials_needed(lms.name, str(error))
            raise
        await self._store.replace_terms(lms.name, terms)
        log.info("terms_refreshed", integration=lms.name, terms=len(terms))
        return len(terms)
