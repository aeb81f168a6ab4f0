"""The image: what its file says, and what the locks that it installs from hold."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from fakes.container_file import stages
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[3]


def test_the_image_runs_without_root_shell_or_anything_to_write() -> None:
    """The last stage runs nothing, is not root, starts without a shell, and names all folders that are written to."""
    before, (build, last) = stages()

    assert [one.text for one in before] == ["BASE=python:3.13-slim"]
    assert build.base == last.base == "${BASE}"
    assert last.all("RUN") == []
    assert last.only("USER").text == "10001:10001"
    assert last.only("ENTRYPOINT").text.startswith("[")
    assert last.only("CMD").words == ["serve"]
    assert last.only("HEALTHCHECK").text.endswith('CMD ["coursekeep", "ready"]')
    assert last.only("STOPSIGNAL").text == "SIGTERM"
    assert last.only("VOLUME").words == ["/data", "/archive"]
    assert {one.options["from"] for one in last.all("COPY")} == {build.name}
    assert last.all("COPY")[1].options["chown"] == last.only("USER").text


def test_the_image_is_made_of_the_checkout_and_of_pinned_files_only() -> None:
    """Every install is held to the hashes of a lock or to what was just built; nothing secret or foreign is copied."""
    _, (build, last) = stages()
    text = "\n".join(one.text for stage in (build, last) for one in stage.instructions)
    copied = {word for one in build.all("COPY") for word in one.words[:-1]}
    sent = {line.removeprefix("!") for line in _lines(ROOT / ".dockerignore") if line.startswith("!")}

    for run in build.all("RUN"):
        if " install " in run.text:
            assert "--require-hashes" in run.text or "--no-index" in run.text, run.text
    assert "://" not in text
    assert not re.search(r"token|secret|password", text, re.IGNORECASE)
    assert copied == sent
    assert all((ROOT / name).exists() for name in copied)
    assert _lines(ROOT / ".dockerignore")[0] == "*"


def test_the_locks_of_the_image_are_the_lock_of_the_tests() -> None:
    """What is installed into the image has the versions and hashes that the tests run on."""
    tested = _locked(ROOT / "requirements.lock")
    production = _locked(ROOT / "deploy" / "requirements.lock")
    build = _locked(ROOT / "deploy" / "build.lock")

    for name, (version, hashes) in [*production.items(), *build.items()]:
        if name != "uv":  # it installs, and is not installed
            assert version == tested[name][0], f"{name}; run `make lock`"
            assert hashes
            assert hashes <= tested[name][1], f"{name}; run `make lock`"
    assert "pytest" not in production


def test_the_lock_of_the_image_holds_all_that_the_program_needs() -> None:
    """Nothing that the distribution asks for, with the extras of the image, is missing in its lock."""
    locked = _locked(ROOT / "deploy" / "requirements.lock")
    seen: set[tuple[str, str]] = set()
    waiting = [("coursekeep", extra) for extra in ("", "postgresql", "telemetry")]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in importlib.metadata.requires(name) or []:
            asked = Requirement(line)
            if asked.marker is None or asked.marker.evaluate({"extra": extra}):
                wanted = canonicalize_name(asked.name)
                assert wanted in locked, f"{wanted}, needed by {name}; run `make lock`"
                waiting += [(wanted, each) for each in ("", *asked.extras)]

    assert ("psycopg-binary", "") in seen
    assert ("opentelemetry-sdk", "") in seen


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def _locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Return version and hashes of every distribution in a lock."""
    found = {}
    for entry in re.split(r"\n(?=\w)", path.read_text(encoding="utf-8")):
        name, version = re.match(r"([\w.-]+)==(\S+)", entry.strip()).groups()  # type: ignore[union-attr]  # it is a lock
        found[canonicalize_name(name)] = (version, frozenset(re.findall(r"sha256:(\w+)", entry)))
    return found
