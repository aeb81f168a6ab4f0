"""Canvas's traps around files, pages, modules and exports."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fakes.canvas_answers import BASE, CanvasAnswers, disabled, forbidden, missing, paged, parts_of, run

from coursekeep import (
    CredentialsNeeded,
    Expected,
    FileAuth,
    Gap,
    GapReason,
    Kind,
    NativeExport,
    Part,
    RawPage,
    Record,
    RemoteFile,
)
from coursekeep_connectors.canvas.files import auth_of, files
from coursekeep_connectors.canvas.modules import Modules, progress
from coursekeep_connectors.canvas.native import Cartridge
from coursekeep_connectors.canvas.pages import pages
from coursekeep_connectors.canvas.reading import Reading
from coursekeep_connectors.canvas.shell import configuration

COURSE = "/api/v1/courses/7"


def _file(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "folder_id": 1,
        "display_name": f"{number}.txt",
        "url": f"{BASE}/files/{number}/download?download_frd=1",
        "size": 3,
        **more,
    }


def _folder(number: int, count: int) -> dict[str, Any]:
    return {"id": number, "full_name": f"course files/{number}", "files_count": count}


def _records(parts: list[Part], kind: Kind) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is kind}


def _gaps(parts: list[Part]) -> list[tuple[GapReason, str | None, int | None]]:
    return [(part.reason, part.id, part.count) for part in parts if isinstance(part, Gap)]


def _downloads(parts: list[Part]) -> list[str]:
    return [part.id for part in parts if isinstance(part, RemoteFile)]


def _count(reading: Reading, kind: Kind) -> int:
    return sum(part.count for part in reading.expected() if part.kind is kind)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{BASE}/files/1/download?download_frd=1", FileAuth.TOKEN),
        ("/files/1/download", FileAuth.TOKEN),
        (f"{BASE}/files/1/download?download_frd=1&verifier=x", FileAuth.EITHER),
        ("https://inst-fs.test/files/1?token=x", FileAuth.NONE),
        ("http://canvas.test/files/1/download", FileAuth.NONE),
        ("https://canvas.test:8443/files/1/download", FileAuth.NONE),
    ],
)
def test_token_or_verifier(url: str, expected: FileAuth) -> None:
    """The token goes to Canvas's own origin only, and not beside a verifier at first."""
    assert auth_of(url, BASE) is expected


def test_locked_file_is_described_and_named_as_a_gap() -> None:
    """A file without an address is a record without bytes and a gap; the others are downloaded."""
    canvas = CanvasAnswers().on(f"{COURSE}/folders", [_folder(1, 2)])
    canvas.on(f"{COURSE}/files", [_file(10), _file(11, url="", locked_for_user=True, thumbnail_url="")])
    reading = canvas.reading()

    parts = parts_of(files(reading, reading.space))

    assert _downloads(parts) == ["10"]
    assert _records(parts, Kind.FILES)["11"].data["path"] is None
    assert _gaps(parts) == [(GapReason.LOCKED, "11", 1)]
    assert _count(reading, Kind.FILES) == 2


def test_hidden_files_are_found_in_their_folder() -> None:
    """A folder that counts more files than the course's list has is asked itself; what is missing still is a gap."""
    canvas = CanvasAnswers().on(f"{COURSE}/folders", [_folder(1, 1), _folder(2, 3)])
    canvas.on(f"{COURSE}/files", [_file(10), _file(20, folder_id=2)])
    canvas.on("/api/v1/folders/2/files", [_file(20, folder_id=2), _file(21, folder_id=2)])
    reading = canvas.reading()

    parts = parts_of(files(reading, reading.space))

    assert _downloads(parts) == ["10", "20", "21"]
    assert _gaps(parts) == [(GapReason.UNEXPLAINED, "folder-2", 1)]
    assert _count(reading, Kind.FILES) == 4
    assert "/api/v1/folders/1/files" not in canvas.paths()


def test_folder_that_may_not_be_read_is_a_gap() -> None:
    """A folder that Canvas refuses to this token is a gap of as many files as it counts; the rest goes on."""
    canvas = CanvasAnswers().on(f"{COURSE}/folders", [_folder(1, 1), _folder(2, 5)]).on(f"{COURSE}/files", [_file(10)])
    canvas.on("/api/v1/folders/2/files", forbidden())
    reading = canvas.reading()

    parts = parts_of(files(reading, reading.space))

    assert _gaps(parts) == [(GapReason.NO_ACCESS, "folder-2", 5)]
    assert _downloads(parts) == ["10"]


def test_forbidden_list_of_files_is_replaced_by_folders() -> None:
    """Where the list of all files may not be read, the folders are asked one by one."""
    canvas = CanvasAnswers().on(f"{COURSE}/folders", [_folder(1, 1)]).on(f"{COURSE}/files", forbidden())
    canvas.on("/api/v1/folders/1/files", [_file(10)])
    reading = canvas.reading()

    assert _downloads(parts_of(files(reading, reading.space))) == ["10"]


def test_expired_address_is_read_again() -> None:
    """A fresh address comes from the file's own object; a file that is locked by now has none."""
    fresh = f"{BASE}/files/10/download?verifier=new"
    canvas = CanvasAnswers().on("/api/v1/files/10", _file(10, url=fresh), _file(10, url=""))
    connector = canvas.connector()
    file = RemoteFile(group="course", id="10", name="a", url="https://store.test/old?signature=x")

    found = run(connector.refresh_file(file))

    assert found is not None
    assert (found.url, found.auth, found.name) == (fresh, FileAuth.EITHER, "a")
    assert run(connector.refresh_file(file)) is None


def test_renamed_page_is_found_by_its_id() -> None:
    """A page renamed between list and reading is read by its id; its key is the id, never the slug."""
    canvas = CanvasAnswers().on(f"{COURSE}/pages", [{"page_id": 5, "url": "old-name", "title": "Old"}])
    canvas.on(f"{COURSE}/pages/page_id:5", {"page_id": 5, "url": "new-name", "title": "New", "body": "<p>x</p>"})
    canvas.on(f"{COURSE}/pages/old-name/revisions", [])
    reading = canvas.reading()

    record = _records(parts_of(pages(reading, reading.space)), Kind.PAGES)["5"]

    assert (record.data["slug"], record.data["body_html"]) == ("new-name", "<p>x</p>")


def test_every_revision_with_its_body_and_the_front_page() -> None:
    """All revisions are kept with bodies, keyed by page and revision; the front page is marked."""
    page = {"page_id": 5, "url": "a b", "title": "A", "body": "2", "front_page": True, "last_edited_by": {"id": 3}}
    canvas = CanvasAnswers().on(f"{COURSE}/pages", [{"page_id": 5, "url": "a b"}]).on(f"{COURSE}/pages/a b", page)
    listed = [{"revision_id": 2, "latest": True, "edited_by": {"id": 3}}, {"revision_id": 1, "latest": False}]
    canvas.on(f"{COURSE}/pages/a b/revisions", paged(listed[:1], listed[1:]))
    for number in (1, 2):
        canvas.on(f"{COURSE}/pages/a b/revisions/{number}", {"revision_id": number, "title": "A", "body": str(number)})
    reading = canvas.reading()

    parts = parts_of(pages(reading, reading.space))

    revisions = _records(parts, Kind.PAGE_REVISIONS)
    assert {key: record.data["body_html"] for key, record in revisions.items()} == {"5-1": "1", "5-2": "2"}
    assert _records(parts, Kind.PAGES)["5"].data["front_page"] is True


def test_page_that_may_not_be_read_keeps_its_place() -> None:
    """A page whose body is denied is still a record, with a gap for what is missing of it."""
    canvas = CanvasAnswers().on(f"{COURSE}/pages", [{"page_id": 5, "url": "a", "title": "A"}])
    canvas.on(f"{COURSE}/pages/a", forbidden()).on(f"{COURSE}/pages/a/revisions", forbidden())
    reading = canvas.reading()

    parts = parts_of(pages(reading, reading.space))

    assert _records(parts, Kind.PAGES)["5"].data["title"] == "A"
    assert _gaps(parts) == [(GapReason.NO_ACCESS, "5", 0), (GapReason.NO_ACCESS, "page-5", None)]


def test_module_with_more_items_than_a_page() -> None:
    """Items that Canvas leaves out of a big module are read from the module's own list, to its end."""
    items = [{"id": number, "module_id": 3, "type": "SubHeader", "title": "x"} for number in range(1, 151)]
    canvas = CanvasAnswers().on(f"{COURSE}/modules", [{"id": 3, "name": "Big", "items_count": 150}])
    canvas.on(f"{COURSE}/modules/3/items", paged(items[:100], items[100:]))
    reading = canvas.reading()

    structure = _records(parts_of(Modules().parts(reading)), Kind.STRUCTURE)

    assert len(structure) == 151
    assert structure["item-3"].data["parent_id"] == "module-3"
    assert structure["module-3"].data["node"] == "module"


def test_items_that_are_counted_but_not_listed() -> None:
    """A module that counts more items than it lists leaves a gap."""
    module = {"id": 3, "name": "M", "items_count": 2, "items": [{"id": 1, "type": "SubHeader"}]}
    reading = CanvasAnswers().on(f"{COURSE}/modules", [module]).reading()

    assert _gaps(parts_of(Modules().parts(reading))) == [(GapReason.UNEXPLAINED, "module-3", 1)]


def test_page_items_point_to_page_ids() -> None:
    """An item that knows its page by slug points to the page's id."""
    module = {"id": 3, "items_count": 1, "items": [{"id": 1, "type": "Page", "page_url": "intro"}]}
    reading = CanvasAnswers().on(f"{COURSE}/modules", [module]).reading()
    reading.page_ids["intro"] = "55"

    item = _records(parts_of(Modules().parts(reading)), Kind.STRUCTURE)["item-1"]

    assert (item.data["target_kind"], item.data["target_id"]) == ("pages", "55")


def test_progress_that_was_not_asked_for_is_a_gap() -> None:
    """With progress switched off, a course that demands some says so; one that does not is complete."""
    reading = CanvasAnswers().reading(module_progress=False)

    assert _gaps(parts_of(progress(reading, demanding=True))) == [(GapReason.NOT_OFFERED, None, None)]
    assert parts_of(progress(CanvasAnswers().reading(), demanding=False)) == []


def test_settings_that_a_course_lacks_are_left_out() -> None:
    """No late policy is no gap; a tab that is switched off neither; a denied one is."""
    canvas = (
        CanvasAnswers().on(f"{COURSE}/settings", {"hide_final_grades": True}).on(f"{COURSE}/late_policy", missing())
    )
    canvas.on(f"{COURSE}/tabs", [{"id": "home"}]).on(f"{COURSE}/features/enabled", ["new_gradebook"])
    canvas.on(f"{COURSE}/grading_periods", disabled()).on(f"{COURSE}/external_tools", forbidden())
    reading = canvas.reading()

    parts = parts_of(configuration(reading))

    assert _records(parts, Kind.SETTINGS).keys() == {"settings", "tabs", "features_enabled"}
    assert _gaps(parts) == [(GapReason.NO_ACCESS, "external_tools", 0)]


def _cartridge(canvas: CanvasAnswers, **settings: Any) -> list[Part]:
    reading = canvas.reading(**settings)

    async def stream() -> Any:
        cartridge = Cartridge(reading)
        await cartridge.ask()
        async for part in cartridge.parts():
            yield part

    return parts_of(stream())


def _export(state: str, **more: Any) -> dict[str, Any]:
    return {"id": 4, "workflow_state": state, "progress_url": f"{BASE}/api/v1/progress/9", **more}


def test_export_is_polled_and_keeps_a_stable_name() -> None:
    """The cartridge is fetched when Canvas has made it, under a name that is the same every time."""
    attachment = {"url": f"{BASE}/files/99/download?verifier=x", "size": 10, "filename": "course-export-20260801.imscc"}
    canvas = CanvasAnswers().on(f"{COURSE}/content_exports", _export("created"))
    canvas.on(
        "/api/v1/progress/9",
        {"workflow_state": "queued"},
        {"workflow_state": "running"},
        {"workflow_state": "completed"},
    )
    canvas.on(f"{COURSE}/content_exports/4", _export("exporting"), _export("exported", attachment=attachment))

    parts = _cartridge(canvas)

    found = [part for part in parts if isinstance(part, NativeExport)]
    assert [(part.name, part.size, part.format) for part in found] == [("course-7.imscc", 10, "common_cartridge")]
    assert [part for part in parts if isinstance(part, Expected)] == [
        Expected(kind=Kind.NATIVE_EXPORTS, count=1, basis="asked for")
    ]
    assert not [part for part in parts if isinstance(part, RawPage)]


@pytest.mark.parametrize(
    ("progress", "export", "said"),
    [
        ({"workflow_state": "failed", "message": "disk full"}, _export("failed"), "disk full"),
        ({"workflow_state": "completed"}, _export("failed"), "failed"),
        ({"workflow_state": "completed"}, _export("exported"), "without a file"),
        ({"workflow_state": "completed"}, missing(), "does not exist"),
        ({"workflow_state": "running"}, _export("exporting"), "not finished"),
        ({"workflow_state": "completed"}, httpx.Response(500), "500"),
    ],
)
def test_failed_export_is_a_gap_with_the_reason(progress: Any, export: Any, said: str) -> None:
    """Whatever goes wrong with Canvas's export is a gap that says what, never an exception."""
    canvas = CanvasAnswers().on(f"{COURSE}/content_exports", _export("created"))
    canvas.on("/api/v1/progress/9", progress).on(f"{COURSE}/content_exports/4", export)

    gaps = [part for part in _cartridge(canvas, export_timeout=0.02) if isinstance(part, Gap)]

    assert [(gap.reason, gap.count) for gap in gaps] == [(GapReason.EXPORT_FAILED, 1)]
    assert said in gaps[0].detail


def test_refused_export_is_asked_for_twice_and_then_a_gap() -> None:
    """An export that cannot even be asked for is tried once more at the end, and then a gap."""
    canvas = CanvasAnswers().on(f"{COURSE}/content_exports", forbidden())

    gaps = [part for part in _cartridge(canvas) if isinstance(part, Gap)]

    assert [gap.reason for gap in gaps] == [GapReason.EXPORT_FAILED]
    assert len(canvas.asked) == 2


def test_expired_token_halts_even_in_the_export() -> None:
    """A token that expires is never a gap."""
    expired = httpx.Response(
        401, json={"errors": [{"message": "Expired access token."}]}, headers={"WWW-Authenticate": "Bearer"}
    )
    canvas = CanvasAnswers().on(f"{COURSE}/content_exports", expired)

    with pytest.raises(CredentialsNeeded):
        _cartridge(canvas)
