"""The promises: every hook, setting, command, route, status and kind is documented and tested, and documents run."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from conformance_page import conformance_page
from coverage_page import coverage_page
from fakes.walkthrough import PAGE, titled_blocks
from records_page import records_reference

import coursekeep
from coursekeep import hookspecs, rest
from coursekeep_daemon.cli.app import make_app
from coursekeep_daemon.runs.states import FailReason, ItemStatus, RunStatus, SkipReason
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.web import create_app

ROOT = Path(__file__).resolve().parents[1]
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND_LINE = re.compile(r"(?:^|\(|/bin/)coursekeep ([a-z][^|#)\n]*)", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"\n]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    """Return a reference page."""
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


@cache
def all_tests() -> str:
    """Return the source of all tests but this one."""
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("contrib/*/tests/**/*.py")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files if path != Path(__file__).resolve())


def blocks(language: str) -> Iterator[tuple[Path, str]]:
    """Yield the code blocks of a language with the page they stand on.

    Python with a file name is a part of the guide's connector, which tests/system/test_walkthrough.py assembles.
    """
    for page in DOCS:
        for found, title, body in FENCE.findall(page.read_text(encoding="utf-8")):
            if found == language and not (title and language == "python"):
                yield page, body


HOOKS = sorted(name for name in hookspecs.__all__ if hasattr(getattr(hookspecs, name), "coursekeep_spec"))


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command of the command line with its path."""
    command = command or typer.main.get_command(make_app())
    for name, sub in getattr(command, "commands", {}).items():
        if getattr(sub, "commands", None):
            yield from commands(sub, (*path, name))
        else:
            yield (*path, name), sub


def routes() -> list[tuple[str, str]]:
    """Return every route of the control API from its OpenAPI document."""
    document = create_app(None).openapi()  # type: ignore[arg-type]  # the document needs no service
    return sorted((method.upper(), path) for path, methods in document["paths"].items() for method in methods)


def settings_keys() -> list[str]:
    """Return every key of the settings model, dotted."""
    schema = Settings.model_json_schema()
    found = []
    for section, described in schema["properties"].items():
        reference = described.get("$ref") or described.get("additionalProperties", {}).get("$ref")
        fields = schema["$defs"][reference.rsplit("/", 1)[1]]["properties"] if reference else {}
        found += [f"{section}.{key}" for key in fields]
    return found


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_and_tested(hook: str) -> None:
    """A hook stands in the reference, and some test uses it."""
    assert len(HOOKS) >= 6
    assert f"`{hook}" in text("hooks.md")
    assert hook in all_tests()


@pytest.mark.parametrize("key", settings_keys())
def test_every_setting_is_documented_and_listed(key: str) -> None:
    """A setting stands in the reference and in settings.toml, with a comment."""
    section, _, name = key.partition(".")
    listed = (ROOT / "settings.toml").read_text(encoding="utf-8")

    assert f"`{name}`" in text("settings.md"), f"{key} is missing in docs/reference/settings.md"
    assert re.search(rf"^#? ?{name} = .*#", listed, re.MULTILINE), f"{key} is missing in settings.toml, or its comment"
    assert f"[{section}" in listed
    assert name in all_tests(), f"no test names {key}"


@pytest.mark.parametrize("path", [" ".join(path) for path, _ in commands()])
def test_every_command_is_documented_and_tested(path: str) -> None:
    """A command stands in the reference with its help text, and some test runs it."""
    spelled = '", "'.join(path.split())

    assert f"`coursekeep {path}" in text("cli.md")
    assert f'"{spelled}"' in all_tests() or f"{path} " in all_tests() or f'"{path}"' in all_tests(), (
        f"no test runs {path}"
    )


def test_every_command_says_what_it_does() -> None:
    """Every command and option has a help text."""
    for path, command in commands():
        assert command.help, path
        for parameter in command.params:
            assert getattr(parameter, "help", "x"), (path, parameter.name)


@pytest.mark.parametrize(("method", "path"), routes())
def test_every_route_is_documented_and_tested(method: str, path: str) -> None:
    """A route stands in the reference, and some test calls it."""
    short = path.removeprefix("/api/v1")
    called = re.escape(short).replace(r"\{", "{").replace(r"\}", "}")
    called = re.sub(r"\{\w+\}", r"[^/\\s]+", called)

    assert f"{method} {short}" in text("api.md"), f"{method} {path} is missing in docs/reference/api.md"
    assert re.search(rf"{called}[\"'?`\s]", all_tests()), f"no test calls {path}"


@pytest.mark.parametrize("word", [*ItemStatus, *RunStatus, *FailReason, *SkipReason, *coursekeep.GapReason])
def test_every_status_and_reason_is_explained(word: str) -> None:
    """A stable word stands in the reference."""
    assert f"| `{word}` |" in text("statuses.md")


@pytest.mark.parametrize("kind", list(coursekeep.Kind))
def test_every_kind_of_record_is_explained(kind: str) -> None:
    """A kind stands in the reference with every field of its model, and what the schema says of it."""
    assert records_reference(coursekeep.Kind(kind)) in text("records.md"), "run `make reference`"


def test_what_is_captured_is_what_connectors_say() -> None:
    """The table of all LMSs and kinds is made from what the connectors say of themselves."""
    assert coverage_page() == text("coverage.md"), "run `make reference`"


def test_every_promise_of_connectors_is_explained() -> None:
    """The reference of the conformance suite is the suite's own: every test with its area, grade and fact."""
    assert conformance_page() == text("conformance.md"), "run `make reference`"


def test_exports_equal_all() -> None:
    """What `coursekeep` exports is what `__all__` says, and every package's public modules have one."""
    exported = {name for name, value in vars(coursekeep).items() if not name.startswith("_") and not _is_module(value)}

    assert exported == set(coursekeep.__all__)
    assert list(coursekeep.__all__) == sorted(coursekeep.__all__, key=_isort)


def _is_module(value: object) -> bool:
    return type(value).__name__ == "module"


def _isort(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def declarations() -> list[tuple[str, str]]:
    """Return every name that `coursekeep.rest` exports, and the fields of each that is a declaration."""
    found = []
    for name in rest.__all__:
        value = getattr(rest, name)
        fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
        found += [(name, ""), *((name, field.name) for field in fields if field.name != "_")]
    return found


@pytest.mark.parametrize(("name", "field"), declarations())
def test_every_declaration_is_documented(name: str, field: str) -> None:
    """What a connector may declare stands in the reference, each with its fields."""
    assert len(declarations()) > 60
    assert re.search(rf"`{name}\b", text("rest.md")), name
    if field:
        told = rf"`{field}`|\b{field}=|`{name}\(\""
        assert re.search(told, text("rest.md")), f"{name}.{field}"


def test_top_directories_are_no_packages() -> None:
    """The four top directories hold no __init__.py, which would hide the packages in them."""
    for directory in ("daemon", "plugins", "connectors", "contrib"):
        assert not (ROOT / directory / "__init__.py").exists()
        assert (ROOT / directory / "README.md").exists()


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links in documents point at files that exist."""
    for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_are_told_in_words(page: Path) -> None:
    """A picture says in words what it shows, for whoever does not see it."""
    for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        assert len(words) > 20, f"{page.name}: {target}"


@pytest.mark.parametrize(("page", "body"), list(blocks("toml")), ids=lambda value: getattr(value, "name", "block"))
def test_settings_in_documents_are_settings(page: Path, body: str) -> None:
    """TOML in documents is valid TOML, and sections of settings.toml hold only keys that exist."""
    found = tomllib.loads(body)
    if "project" in found:
        return
    known = set(settings_keys())
    for section in ("daemon", "store", "archive", "engine", "telemetry"):
        assert {f"{section}.{key}" for key in found.get(section, {})} <= known, page
    for table in ("schedules", "notifications"):
        for entry in found.get(table, {}).values():
            assert {f"{table}.{key}" for key in entry} <= known, page


def command_lines() -> list[tuple[str, str]]:
    """Return every `coursekeep ...` line that stands in a code block of a document."""
    found = []
    for page in DOCS:
        for _, _, body in FENCE.findall(page.read_text(encoding="utf-8")):
            found += [(page.name, line.strip()) for line in COMMAND_LINE.findall(body.replace("\\\n", " "))]
    return found


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_command_lines_in_documents_are_understood(page: str, line: str) -> None:
    """A command line shown in a document is one that the program accepts."""
    words = [word for word in shlex.split(line) if not word.startswith("[")]
    command: Any = typer.main.get_command(make_app())
    while getattr(command, "commands", None) and words:
        name = words.pop(0)
        assert name in command.commands, f"{page}: coursekeep {line}"
        command = command.commands[name]

    command.make_context(command.name, words, resilient_parsing=False)


@pytest.mark.parametrize(("page", "body"), list(blocks("python")), ids=lambda value: getattr(value, "name", "block"))
def test_python_in_documents_runs(page: Path, body: str) -> None:
    """Python in documents runs as it stands."""
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=False)

    assert done.returncode == 0, f"{page}:\n{done.stderr}"


def test_files_in_documents_are_the_guides() -> None:
    """Blocks with a file name stand on the page whose files are assembled and run, and nowhere else."""
    pages = {page for page in DOCS if re.search(r"^```\w+ title=", page.read_text(encoding="utf-8"), re.MULTILINE)}

    assert pages == {PAGE}
    assert {"coursekeep_greenfield/connector.py", "settings.toml"} <= set(titled_blocks())


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    """`make help` lists every target with one line."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    for target in phony.split():
        assert re.search(rf"^{target}:.* ## \S", makefile, re.MULTILINE), target


def test_every_module_says_what_it_is_for() -> None:
    """Every module of the product has a docstring."""
    for package in (
        "coursekeep",
        "coursekeep_connectors",
        "coursekeep_daemon",
        "coursekeep_campus",
        "coursekeep_kolibri",
    ):
        folder = Path(str(importlib.import_module(package).__file__)).parent
        for path in folder.rglob("*.py"):
            first = path.read_text(encoding="utf-8").lstrip()
            assert first.startswith(('"""', 'r"""')) or not first, path
