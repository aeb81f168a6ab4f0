"""One real Kolibri with one school in it, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.kolibri_school import School, prepare, settle
from fakes.kolibri_server import KolibriServer, kolibri_command


@pytest.fixture(scope="session")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    """Serve a school from a Kolibri of its own; skips where Kolibri is not installed."""
    command = kolibri_command()
    if command is None:
        pytest.skip("Kolibri is not installed: run `make test` once, or name its command in COURSEKEEP_TEST_KOLIBRI")
    server = KolibriServer(command=command, home=tmp_path_factory.mktemp("kolibri"))
    prepare(server)
    with server.running():
        yield settle(server)
