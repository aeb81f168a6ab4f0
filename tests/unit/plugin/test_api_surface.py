"""What `import coursekeep` gives, and what it leaves alone."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import httpx
import pytest
import respx
from fakes.http_client import collected, make_client, run

import coursekeep
from coursekeep import Answer, RetryLater

MODULES = sorted(module.name for module in pkgutil.walk_packages(coursekeep.__path__, "coursekeep."))


def test_exported_names_equal_all():
    """Every name that `coursekeep` imports is exported, and none besides."""
    tree = ast.parse(Path(inspect.getsourcefile(coursekeep)).read_text())
    imported = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    assert set(coursekeep.__all__) == imported
    assert len(set(coursekeep.__all__)) == len(coursekeep.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_modules_export_what_exists(module):
    """Every module has a docstring and an `__all__` whose names exist."""
    found = import_module(module)

    assert found.__doc__
    assert [name for name in found.__all__ if not hasattr(found, name)] == []


def test_import_brings_in_no_service():
    """`import coursekeep` brings in neither the web framework nor the database, nor pytest."""
    heavy = ("fastapi", "sqlmodel", "sqlalchemy", "starlette", "uvicorn", "alembic", "pytest", "coursekeep_daemon")
    code = f"import sys, coursekeep; print([name for name in {heavy!r} if name in sys.modules])"

    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.strip() == "[]"


def test_respx_routes_work_behind_the_client():
    """A connector's unit tests may answer by respx routes behind an injected transport."""
    router = respx.Router(assert_all_called=True)
    router.get("http://lms.example/list", params={"per_page": "50"}).respond(
        json=[{"id": 1}], headers={"Link": '<http://lms.example/list?page=2>; rel="next"'}
    )
    router.get("http://lms.example/list", params={"page": "2"}).respond(json=[{"id": 2}])
    router.post("http://lms.example/exports", data={"type": "zip"}).respond(json={"id": 3})
    router.get("http://lms.example/down").mock(side_effect=httpx.ReadTimeout)
    router.get("http://lms.example/file").respond(content=b"data", content_type="text/plain")

    async def main() -> tuple[list[dict[str, int]], Answer]:
        transport = httpx.MockTransport(router.async_handler)
        async with make_client("http://lms.example", transport=transport) as client:
            items = await collected(client.items("/list", {"per_page": 50}))
            made = await client.post("/exports", {"type": "zip"})
            with pytest.raises(RetryLater, match="in time"):
                await client.get("/down")
            async with client.download("/file") as download:
                assert [block async for block in download.chunks] == [b"data"]
            return items, made

    items, made = run(main())
    assert items == [{"id": 1}, {"id": 2}]
    assert made.body == {"id": 3}
