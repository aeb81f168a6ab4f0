"""One object store for all tests of archives in S3, which share a worker of pytest-xdist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fakes.s3_server import S3Server, s3_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as started:
        yield started
