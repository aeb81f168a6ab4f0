"""`coursekeep connector test`, as the author of a connector runs it."""

from __future__ import annotations

import asyncio

import pytest
from fakes.cli_process import Done, start_coursekeep


def connector_test(*arguments: str) -> Done:
    """Run `coursekeep connector test` to its end; it runs a whole suite."""

    async def main() -> Done:
        process = await start_coursekeep("connector", "test", *arguments)
        async with asyncio.timeout(250):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Done(code=process.returncode, out=out.decode(), err=err.decode())

    return asyncio.run(main())


@pytest.mark.slow
def test_example_is_exemplary() -> None:
    """The installed example reaches the highest grade, and the scorecard says so for programs too."""
    done = connector_test("coursekeep-example", "--grade", "exemplary", "--json")

    assert (done.code, done.err) == (0, "")
    assert done.json["grade"] == "exemplary"
    assert done.json["reached"] is True
    assert done.json["areas"]["throttling"] == {"passed": 3, "failed": 0, "not applicable": 0}


def test_unknown_distribution_is_an_error_of_one_line() -> None:
    """A distribution that is not installed ends with exit code 2."""
    done = connector_test("coursekeep-no-such-connector")

    assert done.code == 2
    assert done.err.startswith("coursekeep: no distribution 'coursekeep-no-such-connector' is installed")


def test_unknown_grade_is_wrong_usage() -> None:
    """A grade that does not exist ends with exit code 2."""
    assert connector_test("coursekeep-example", "--grade", "perfect").code == 2
