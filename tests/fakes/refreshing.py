"""A process that renews a refresh token against a campus, and may kill itself at a chosen moment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from pydantic import SecretStr

from coursekeep import NO_RETRY, ClientAuth, ConnectorError, KeptToken, RefreshToken
from coursekeep_campus import CampusServer
from coursekeep_daemon.credentials import FileKeeper

__all__ = ["Deadly", "flow", "renew_in_process"]


class Deadly(FileKeeper):
    """Kills its process without a word right before, or right after, the next token is kept."""

    moment = ""

    async def save(self, kept: KeptToken) -> None:
        is_next = kept.renewing_since is None
        if is_next and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        await super().save(kept)
        if is_next and self.moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def flow(url: str, seed: str, keeper: FileKeeper) -> RefreshToken:
    """Make the flow of a campus's developer key."""
    return RefreshToken(
        f"{url}/login/oauth2/token",
        SecretStr(seed),
        client_id="10000000000042",
        client_secret=SecretStr("campus-developer-key-made-up"),
        client_auth=ClientAuth.POST,
        keeper=keeper,
        retry=NO_RETRY,
    )


def renew_in_process(
    server: CampusServer, folder: Path, *, seed: str, moment: str = "", count: int = 1
) -> tuple[int, str]:
    """Renew in a process of its own. Returns its exit code, and its access token or what went wrong."""
    asked = {"url": server.url, "seed": seed, "folder": str(folder), "moment": moment, "count": count}
    code = "import sys; from fakes.refreshing import _main; _main(sys.argv[1])"
    path = os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asked)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.strip() or done.stderr


def _main(argument: str) -> None:
    asked = json.loads(argument)
    keeper = Deadly(Path(asked["folder"]), "main")
    keeper.moment = asked["moment"]

    async def renew() -> str:
        for _ in range(asked["count"]):
            tokens = flow(asked["url"], asked["seed"], keeper)
            await tokens.renew()
        return tokens.token().get_secret_value()

    try:
        sys.stdout.write(asyncio.run(renew()))
    except ConnectorError as error:
        sys.stdout.write(f"{type(error).__name__}: {error}")
        sys.exit(1)
