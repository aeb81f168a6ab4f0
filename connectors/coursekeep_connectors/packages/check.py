"""What an operator is told about a folder of packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator

from coursekeep import CheckStep, ConnectorError, MalformedAnswer
from coursekeep_connectors.packages.client import Folder
from coursekeep_connectors.packages.recognise import Format, NotAPackage
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["check_folder"]

#: files that are named; the others are counted
_NAMED = 5


async def check_folder(folder: Folder) -> AsyncGenerator[CheckStep]:
    """Yield the steps: the folder, the packages in it, those that cannot be read."""
    path = folder.settings.path
    try:
        ids = await in_thread(lambda: list(folder.ids()))
    except ConnectorError as error:
        remedy = "Set `path` to a folder that the daemon's user may read."
        yield CheckStep(name="folder", ok=False, detail=str(error), remedy=remedy)
        return
    yield CheckStep(name="folder", ok=True, detail=f"{path}: {len(ids):,} files")
    known: Counter[Format] = Counter()
    others: Counter[str] = Counter()
    unreadable: list[str] = []
    for course_id in ids:
        try:
            found = folder.path(course_id)
            sight = await folder.sight(course_id, found) if found else NotAPackage("removed meanwhile")
        except ConnectorError as error:
            unreadable.append(f"{course_id}: {error}")
            continue
        if isinstance(sight, MalformedAnswer):
            unreadable.append(f"{course_id}: {sight}")
        elif isinstance(sight, NotAPackage):
            others[str(sight)] += 1
        else:
            known[sight.format] += 1
    yield _recognised(known, others)
    if unreadable:
        more = f"; and {len(unreadable) - _NAMED:,} more" if len(unreadable) > _NAMED else ""
        detail = f"{len(unreadable):,} packages cannot be read: {'; '.join(unreadable[:_NAMED])}{more}"
        remedy = "Export these courses again, or raise the limit that is named; archiving them fails until then."
        yield CheckStep(name="unreadable", ok=False, detail=detail, remedy=remedy)


def _recognised(known: Counter[Format], others: Counter[str]) -> CheckStep:
    formats = ", ".join(f"{count:,} × {format_.for_people}" for format_, count in sorted(known.items()))
    rest = "; ".join(f"{count:,} × {why}" for why, count in others.most_common(_NAMED))
    detail = "; ".join(text for text in (formats, f"not recognised: {rest}" if rest else "") if text)
    if known:
        return CheckStep(name="packages", ok=True, detail=detail)
    remedy = "Put exported courses into the folder: .imscc, .mbz, or zip files of Blackboard and Brightspace."
    return CheckStep(name="packages", ok=False, detail=detail or "the folder is empty", remedy=remedy)
