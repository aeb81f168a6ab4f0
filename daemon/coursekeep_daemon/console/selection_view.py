"""What the form that selects courses shows besides what was typed: the methods there are, and the terms of the LMS."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from coursekeep import CourseSource, EndOf
from coursekeep_daemon.console.selection_form import Sources, Typed
from coursekeep_daemon.console.source_fields import SourceField, fields_of
from coursekeep_daemon.console.words import ENDS, SOURCES
from coursekeep_daemon.runs.holds import HoldLevel
from coursekeep_daemon.service import Hold, Service
from coursekeep_daemon.store import StoredTerm

__all__ = ["Method", "SelectionView", "methods_of", "selection_view"]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to select courses: one course source."""

    name: str
    title: str
    #: what it takes, where no partial of ours says it
    hint: str = ""
    #: fields of a source that a plugin brings; empty for those that have a form of their own
    fields: Sequence[SourceField] = ()


@dataclass(frozen=True, kw_only=True)
class SelectionView:
    """All that `selection.html` needs."""

    typed: Typed
    #: what is wrong, by field
    wrong: Mapping[str, str]
    integrations: Sequence[str]
    methods: Sequence[Method]
    terms: Sequence[StoredTerm]
    terms_read_at: datetime | None
    #: whose end a date may be compared with: value and words
    ends: Sequence[tuple[str, str]]
    #: what keeps the chosen integration from working now
    hold: Hold | None

    @property
    def unlisted_terms(self) -> list[str]:
        """Terms that are ticked, but not in the list: they must not get lost without a word."""
        known = {term.id for term in self.terms}
        return [each for each in self.typed.terms if each not in known]


async def selection_view(service: Service, typed: Typed, wrong: Mapping[str, str] | None = None) -> SelectionView:
    """Put together what the form shows. The only integration, and the first method, are chosen by themselves."""
    integrations, sources = sorted(service.settings.integrations), service.registry.sources()
    methods = methods_of(sources)
    typed = replace(
        typed,
        integration=typed.integration or (integrations[0] if len(integrations) == 1 else ""),
        source=typed.source if typed.source in sources else next((each.name for each in methods), ""),
    )
    typed = typed.without_ticks() if typed.moved else replace(typed, shown=typed.integration)
    known = await service.store.integration(typed.integration) if typed.integration in integrations else None
    return SelectionView(
        typed=typed,
        wrong=wrong or {},
        integrations=integrations,
        methods=methods,
        terms=[] if known is None else await service.store.terms(known.name),
        terms_read_at=None if known is None else known.terms_refreshed_at,
        ends=[(each.value, ENDS.get(each.value, each.value)) for each in EndOf],
        hold=None if known is None else service.trouble(known.name) or _pause(service, known.name),
    )


def _pause(service: Service, integration: str) -> Hold | None:
    """Return the pause of this very integration; one of all is said on every page."""
    return next((each for each in service.pauses(integration) if each.level is HoldLevel.INTEGRATION), None)


def methods_of(sources: Sources) -> list[Method]:
    """Return the methods: those that have a form of their own first, in the order of `words.SOURCES`."""
    ours = [Method(name=name, title=title) for name, title in SOURCES.items() if name in sources]
    return ours + [_other(sources[name]) for name in sorted(sources) if name not in SOURCES]


def _other(source: type[CourseSource[Any]]) -> Method:
    hint = inspect.cleandoc(source.__doc__ or "").partition("\n")[0]
    return Method(name=source.name, title=source.title, hint=hint, fields=fields_of(source))
