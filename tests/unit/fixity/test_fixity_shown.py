"""Fixity shown: in the API, on the console's pages, and by the command line; and who may accept damage."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.api_service import served
from fakes.cli_process import coursekeep
from fakes.console_house import ConsoleHouse, in_console
from fakes.damage import flip
from fakes.package_kit import COURSE, new_archive, write

from coursekeep import SettingsError
from coursekeep_daemon.fixity.service import FixityService
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.package import Archive
from coursekeep_daemon.runs.versions import version_of
from coursekeep_daemon.settings import load_settings


def _service(service: Any, archive: Archive) -> FixityService:
    return FixityService(
        archive=archive,
        store=service.store,
        holds=service.holds,
        clock=service.clock,
        settings=service.settings.fixity,
        metrics=Metrics("0").fixity(),
    )


def with_damage(test: Callable[[ConsoleHouse, str], Awaitable[None]]) -> None:
    """Run a test in a house with two packages, one of which the service has found damaged."""

    async def main(house: ConsoleHouse) -> None:
        with tempfile.TemporaryDirectory() as folder:
            service: Any = house.api.service
            archive = new_archive(Path(folder) / "archive")
            made = [write(archive, course=replace(COURSE, id=str(n), name=f"<b>{n}</b>")) for n in range(2)]
            for one in made:
                (head,) = archive.versions(one.object_id)
                noted = replace(version_of(head, "main"), created_at=datetime.now(UTC))
                await house.api.store.record_version(noted)
            flip(archive.root / made[0].path)
            await _service(service, archive).step()
            service.fixity = _service(service, archive)  # with numbers of its own, as on another daemon
            await house.api.store.tell_findings(timedelta(0))
            await test(house, made[0].object_id)

    in_console(main)


def test_the_api_says_how_it_stands_and_what_is_wrong() -> None:
    """The status counts packages and says what is next; findings name the file; only an administrator accepts one."""

    async def test(house: ConsoleHouse, package_id: str) -> None:
        async with house.api.client("read") as client:
            stands = (await client.get("/fixity")).json()
            (finding,) = (await client.get("/fixity/findings?state=open")).json()["items"]
            refused = await client.post(f"/fixity/findings/{finding['id']}/accept", json={})
        assert {name: stands[name] for name in ("packages", "unverified", "overdue", "open", "every")} == {
            "packages": 2,
            "unverified": 1,
            "overdue": 0,
            "open": 1,
            "every": "90 days",
        }
        assert stands["max_rate"] == 50 * 2**20
        assert abs(stands["interval_seconds"] - 0.9 * 90 * 86400 / 2) < 1
        assert (finding["package_id"], finding["kind"], finding["version"]) == (package_id, "damaged", 1)
        assert "content/data/" in finding["problems"][0]["path"]
        assert refused.status_code == 403

        async with house.api.client("admin") as client:
            path = f"/fixity/findings/{finding['id']}/accept"
            accepted = await client.post(path, json={"note": "lost in 2019"})
            again = await client.post(path, json={"note": ""})
            unknown = await client.post("/fixity/findings/999/accept", json={})
            left = (await client.get("/fixity")).json()
        assert (accepted.json()["state"], accepted.json()["closed_by"]) == ("accepted", "admin")
        assert (again.status_code, unknown.status_code) == (409, 404)
        assert (left["open"], left["accepted"]) == (0, 1)
        audit = (await house.api.store.audit_events(action="package.accept")).items
        assert [(each.target, each.result) for each in audit if each.result == "done"] == [(package_id, "done")]

    with_damage(test)


def test_pages_show_damage_and_what_to_do() -> None:
    """The front page, the system's and the list of findings tell of it; an administrator accepts it there."""

    async def test(house: ConsoleHouse, package_id: str) -> None:
        viewer = await house.signed_in("viewer")
        assert "1 package is damaged." in (await viewer.get("/")).text
        assert "1 damaged</span>" in (await viewer.get("/system")).text
        page = (await viewer.get("/fixity")).text
        assert f'href="/packages/{package_id}"' in page
        assert "&lt;b&gt;0&lt;/b&gt;" in page
        assert "look at the storage first" in page
        assert "Accept the damage" not in page

        administrator = await house.signed_in("administrator")
        (finding,) = (await house.api.store.findings()).items
        answer = await administrator.post(f"/fixity/findings/{finding.id}/accept", "/fixity", note="known")
        after = (await administrator.follow(answer)).text
        assert "is accepted; it is not told of any more" in after
        assert "known" in after
        assert "damaged.</strong>" not in (await viewer.get("/")).text
        assert "No finding is in this state" in (await viewer.get("/fixity?state=open")).text
        told = (await viewer.get("/notifications")).text
        assert "1 package of the archive is damaged (main)" in told

    with_damage(test)


def test_the_command_line_lists_and_accepts() -> None:
    """`package fixity` exits 1 while a package is damaged, and 0 once that is accepted."""

    async def test(house: ConsoleHouse, package_id: str) -> None:
        async with served(house.api) as url:
            known = {"COURSEKEEP_URL": url, "COURSEKEEP_TOKEN": house.api.tokens["admin"]}
            damaged = await coursekeep("package", "fixity", **known)
            done = await coursekeep("package", "accept", "1", "--note", "known", **known)
            after = await coursekeep("package", "fixity", "--json", **known)
        assert (damaged.code, done.code, after.code) == (1, 0, 0)
        assert package_id in damaged.out
        assert (after.json["accepted"], after.json["findings"][0]["detail"]) == (1, "known")

    with_damage(test)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('every = "often"', "is no span"),
        ('every = "0 days"', "write `off`"),
        ('every = "9999 years"', "cannot be counted"),
        ('max_rate = "fast"', "max_rate"),
    ],
)
def test_a_span_that_cannot_be_is_refused(tmp_path: Path, line: str, says: str) -> None:
    """A span that is none, no time at all or beyond the calendar stops the start with the key; `off` is taken."""
    file = tmp_path / "settings.toml"
    file.write_text(f"[fixity]\n{line}\n")
    with pytest.raises(SettingsError, match=says) as caught:
        load_settings(file)
    assert "fixity." in str(caught.value)
    file.write_text('[fixity]\nevery = "off"\nmax_rate = 0\n')
    assert load_settings(file).fixity.max_rate == 0
