"""Make the distribution of a new connector: judged first, rendered aside, and moved into place in one step."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from coursekeep import CoursekeepError

__all__ = ["Draft", "KitError", "make_connector", "plan_connector"]

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
#: a title stands in source code, TOML and Markdown
_TITLE = re.compile(r"[^\W_][\w .,'&()+-]*")
#: longer ones would make lines of the template too long
_LONGEST = 24
_LONGEST_TITLE = 40
_TEMPLATE = Path(__file__).with_name("template")


class KitError(CoursekeepError):
    """A connector cannot be made of this name or in this place. Nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A connector that can be made."""

    name: str
    title: str
    folder: Path

    @property
    def package(self) -> str:
        """Name of the import package."""
        return f"coursekeep_{self.name}"

    @property
    def distribution(self) -> str:
        """Name of the distribution."""
        return f"coursekeep-{self.name.replace('_', '-')}"

    @property
    def class_name(self) -> str:
        """Name of the connector class."""
        return "".join(part.capitalize() for part in self.name.split("_"))


def plan_connector(name: str, *, title: str | None, folder: Path | None, taken: Collection[str]) -> Draft:
    """Judge name, title and place; `taken` are the names of connectors that are installed. Raises `KitError`."""
    _check_name(name, taken)
    title = name.replace("_", " ").title() if title is None else title.strip()
    if not _TITLE.fullmatch(title) or len(title) > _LONGEST_TITLE:
        raise KitError(
            f"the title {title!r} cannot be used; write up to {_LONGEST_TITLE} letters, digits, spaces and .,'&()+-,"
            " a letter or digit first"
        )
    target = Path(f"coursekeep-{name.replace('_', '-')}") if folder is None else folder
    draft = Draft(name=name, title=title, folder=target.expanduser().absolute())
    _check_folder(draft.folder)
    return draft


def make_connector(draft: Draft) -> list[Path]:
    """Make the distribution and return its files. It is there as a whole, or not at all. Raises `KitError`."""
    try:
        draft.folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".coursekeep-new-", dir=draft.folder.parent))
    except OSError as error:
        raise KitError(f"{draft.folder}: cannot be made: {error.strerror}. Name another place.") from error
    try:
        _render(draft, aside / "new")
        _check_folder(draft.folder)
        if draft.folder.exists():
            draft.folder.rmdir()
        (aside / "new").rename(draft.folder)
    except OSError as error:
        raise KitError(f"{draft.folder}: cannot be written: {error.strerror}. Name another place.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return sorted(path for path in draft.folder.rglob("*") if path.is_file())


def _check_name(name: str, taken: Collection[str]) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        meant = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_LONGEST].strip("_")
        hint = f", for example {meant}" if _NAME.fullmatch(meant) else ""
        raise KitError(
            f"{name!r} cannot be the name of a connector; write up to {_LONGEST} lower-case letters, digits and single"
            f" _, a letter first{hint}"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in sys.stdlib_module_names:
        raise KitError(f"{name!r} is a word or module of Python's own; name the connector after the LMS")
    if name in taken:
        raise KitError(f"there is a connector {name!r} already; choose another name, such as {name}_local")
    package = f"coursekeep_{name}"
    if importlib.util.find_spec(package) is not None:
        raise KitError(f"there is a package {package} already; choose another name, such as {name}_local")


def _check_folder(folder: Path) -> None:
    """Raise `KitError` unless there is nothing in this place."""
    try:
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise KitError(f"{folder}: is there already, and is no folder; name another one with --directory")
        if folder.is_dir() and any(folder.iterdir()):
            raise KitError(f"{folder}: is not empty, and nothing in it was changed; name another one with --directory")
    except OSError as error:
        raise KitError(f"{folder}: cannot be looked at: {error.strerror}. Name another place.") from error


def _render(draft: Draft, into: Path) -> None:
    """Fill the template in. Nothing is asked, fetched or run: neither the author's settings nor any task matters."""
    from copier import Settings, run_copy

    run_copy(
        str(_TEMPLATE),
        into,
        data={
            "name": draft.name,
            "title": draft.title,
            "package": draft.package,
            "distribution": draft.distribution,
            "class_name": draft.class_name,
            "requirement": _requirement(),
        },
        settings=Settings(),
        defaults=True,
        overwrite=True,
        quiet=True,
        skip_tasks=True,
    )


def _requirement() -> str:
    """Return which releases of Coursekeep the connector works with: those that promise the same plugin API."""
    try:
        major, minor = importlib.metadata.version("coursekeep").split(".")[:2]
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return "coursekeep"
    return f"coursekeep>={major}.{minor},<{major}.{int(minor) + 1}"
