"""The command line in a process of its own, as people and scripts run it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Done", "coursekeep", "start_coursekeep"]


@dataclass(frozen=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


async def start_coursekeep(*arguments: str, pipe: bool = False, **variables: str) -> asyncio.subprocess.Process:
    """Start a command; `variables` are added to an environment without any of the caller's Coursekeep.

    It can read nothing, or with `pipe` what is written to it.
    """
    own: Mapping[str, str] = {key: value for key, value in os.environ.items() if not key.startswith("COURSEKEEP_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "coursekeep_daemon",
        *arguments,
        stdin=asyncio.subprocess.PIPE if pipe else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**own, **variables},
    )


async def coursekeep(*arguments: str, stdin: str | None = None, **variables: str) -> Done:
    """Run a command to its end, with something to read or nothing."""
    process = await start_coursekeep(*arguments, pipe=stdin is not None, **variables)
    async with asyncio.timeout(60):
        out, err = await process.communicate(None if stdin is None else stdin.encode())
    assert process.returncode is not None
    return Done(code=process.returncode, out=out.decode(), err=err.decode())
