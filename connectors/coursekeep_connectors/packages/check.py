"""What an operator is told about a folder of packages."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded, RetryLater
from coursekeep_connectors.packages.client import Folder
from coursekeep_connectors.packages.copies import Copies
from coursekeep_connectors.packages.recognise import Format, NotAPackage

__all__ = ["check_folder"]

#: files that are named; the others are counted
_NAMED = 5


async def check_folder(folder: Folder, copies: Copies) -> AsyncGenerator[CheckStep]:
    """Yield the steps: the folder, the packages in it, those that are copies, those that cannot be read."""
    try:
        files = await folder.files()
    except ConnectorError as error:
        yield CheckStep(name="folder", ok=False, detail=str(error), remedy=_remedy(folder, error))
        return
    yield CheckStep(name="folder", ok=True, detail=f"{folder.settings.path}: {len(files):,} files")
    known: Counter[Format] = Counter()
    others: Counter[str] = Counter()
    unreadable: list[str] = []
    twins: list[str] = []
    for file in files:
        try:
            sight = await folder.sight(file)
        except ConnectorError as error:
            unreadable.append(f"{file.id}: {error}")
            continue
        if isinstance(sight, ConnectorError):
            unreadable.append(f"{file.id}: {sight}")
        elif isinstance(sight, NotAPackage):
            others[str(sight)] += 1
        else:
            known[sight.format] += 1
            if (first := await copies.first(file)) is not None:
                twins.append(f"{file.id} of {first.id}")
    yield _recognised(known, others)
    if twins:
        detail = f"{len(twins):,} packages are copies, and taken once by a run that takes both: {_some(twins)}"
        yield CheckStep(name="copies", ok=True, detail=detail)
    if unreadable:
        detail = f"{len(unreadable):,} packages cannot be read: {_some(unreadable)}"
        remedy = "Export these courses again, or raise the limit that is named; archiving them fails until then."
        yield CheckStep(name="unreadable", ok=False, detail=detail, remedy=remedy)


def _some(names: list[str]) -> str:
    more = f"; and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return "; ".join(names[:_NAMED]) + more


def _remedy(folder: Folder, error: ConnectorError) -> str:
    if not folder.settings.in_s3:
        return "Set `path` to a folder that the daemon's user may read."
    if isinstance(error, CredentialsNeeded):
        return "Set `s3_access_key_id` and `s3_secret_access_key` to credentials that may list and read the bucket."
    if isinstance(error, RetryLater):
        return "Look whether `s3_endpoint` is right, and whether the object store can be reached from here."
    return "Set `path` to `s3://BUCKET/PREFIX`, and let the credentials list and read it."


def _recognised(known: Counter[Format], others: Counter[str]) -> CheckStep:
    formats = ", ".join(f"{count:,} × {format_.for_people}" for format_, count in sorted(known.items()))
    rest = "; ".join(f"{count:,} × {why}" for why, count in others.most_common(_NAMED))
    detail = "; ".join(text for text in (formats, f"not recognised: {rest}" if rest else "") if text)
    if known:
        return CheckStep(name="packages", ok=True, detail=detail)
    remedy = "Put exported courses into the folder: .imscc, .mbz, or zip files of Blackboard and Brightspace."
    return CheckStep(name="packages", ok=False, detail=detail or "the folder is empty", remedy=remedy)
