"""What a daemon says of itself, and what can be seen of it and of the LMSs from outside.

To an LMS no credentials are sent: one request for its address, whose answer has a date.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from coursekeep_daemon.doctor.finding import Finding, failed, ok, warning
from coursekeep_daemon.settings import Settings, is_loopback

__all__ = ["look"]

#: seconds for each question
_PATIENCE = 5.0
#: seconds by which an LMS's clock may differ: tokens and signed addresses count in minutes
_CLOCK = 60.0
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def look(settings: Settings, *, url: str | None, token: str | None) -> Iterator[Finding]:
    """Yield what is found by asking."""
    yield from _daemon(url or _usual(settings), token)
    yield from _public(settings.daemon.public_url, settings.daemon.host)
    yield from _lms_clocks(settings)
    yield from _supervisor()


def _usual(settings: Settings) -> str:
    """Return where the daemon runs: as it says itself in data_dir, else as the settings say."""
    daemon = settings.daemon
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((daemon.data_dir / "daemon.json").read_text(encoding="utf-8"))["url"])
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(daemon.host, daemon.host)  # noqa: S104  # not bound here
    return f"http://[{host}]:{daemon.port}" if ":" in host else f"http://{host}:{daemon.port}"


def _ask(address: str, token: str | None = None) -> httpx.Response:
    """Ask once; a proxy of the environment cannot reach our loopback."""
    trusts = urlsplit(address).hostname not in _LOOPBACK
    with httpx.Client(timeout=_PATIENCE, trust_env=trusts) as client:
        return client.get(address, headers={"Authorization": f"Bearer {token}"} if token else {})


def _daemon(url: str, token: str | None) -> Iterator[Finding]:
    api = f"{url.rstrip('/')}/api/v1"
    try:
        version = str(_ask(f"{api}/health").raise_for_status().json()["version"])
        ready = _ask(f"{api}/ready")
        reasons = ready.json().get("reasons", {})
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, AttributeError, TypeError) as error:
        said = f"no daemon answers at {url}: {type(error).__name__}"
        yield warning("daemon", said, "start it: `coursekeep serve`; then look again, to see what only it can tell")
        return
    own = importlib.metadata.version("coursekeep")
    if version != own:
        yield warning("daemon", f"at {url} runs version {version}; this is {own}", "restart it after an upgrade")
    else:
        yield ok("daemon", f"version {version} answers at {url}")
    if ready.status_code != 200:
        said = "; ".join(f"{part}: {why}" for part, why in reasons.items()) or f"status {ready.status_code}"
        yield failed("ready", said, "do what the reason says: work goes on by itself afterwards")
    else:
        yield ok("ready", "it can work")
    if token is None:
        yield ok("plugins", "not asked: set COURSEKEEP_TOKEN to a token of scope `read` to see them")
    else:
        yield from _inside(api, token)


def _inside(api: str, token: str) -> Iterator[Finding]:
    try:
        plugins: list[dict[str, Any]] = _ask(f"{api}/plugins", token).raise_for_status().json()["items"]
        system: dict[str, Any] = _ask(f"{api}/system", token).raise_for_status().json()
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        yield warning("plugins", f"the daemon refused to say: {error}", "set COURSEKEEP_TOKEN to a token that is good")
        return
    bad = [one for one in plugins if one["state"] not in ("enabled", "disabled")]
    for one in bad:
        remedy = "`coursekeep plugins` says more; repair or uninstall it, or name it in daemon.disabled_plugins"
        yield failed(f"plugin {one['name']}", f"{one['state']}: {one['reason']}", remedy)
    if not bad:
        yield ok("plugins", f"{len(plugins)}, and none has failed")
    for one in system["credentials"]:
        if one["state"] != "good":
            said = f"they end at {one['at']}, as the {one['basis']} say"
            yield (failed if one["state"] == "expired" else warning)(
                f"credentials {one['integration']}",
                said,
                "renew them in the LMS and in the settings; restart the daemon",
            )


def _public(public_url: str | None, host: str) -> Iterator[Finding]:
    """Look whether people reach the daemon where its links lead."""
    if public_url is None:
        if host not in _LOOPBACK:
            remedy = "set daemon.public_url to the https address of the proxy before it: cookies are safe only then"
            yield warning("public_url", f"it is not set, and the daemon listens on {host}", remedy)
        return
    if not public_url.startswith("https://") and not is_loopback(public_url):
        yield warning("public_url", f"{public_url} is not https: passwords can be read on the way", "put TLS before it")
    try:
        answered = _ask(f"{public_url}/api/v1/health").status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = f"{public_url} cannot be reached from here: {type(error).__name__}"
        yield warning(
            "public_url", said, "look at the proxy, its certificate and the name; links in messages lead there"
        )
        return
    if answered != 200:
        yield failed("public_url", f"{public_url} answers {answered}", "let the proxy pass everything to the daemon")
    else:
        yield ok("public_url", f"{public_url} leads to a daemon")


def _lms_clocks(settings: Settings) -> Iterator[Finding]:
    """Compare this clock with that of each LMS, by the date of an answer to a request without credentials."""
    for name, integration in settings.integrations.items():
        address = integration.own.get("base_url")
        if not integration.enabled or not isinstance(address, str):
            continue
        step = f"clock of {name}"
        try:
            date = _ask(address).headers.get("date", "")
            seconds = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = f"{address} cannot be reached: {type(error).__name__}"
            yield failed(step, said, f"look at the network; `coursekeep check {name}` says more")
        except (ValueError, TypeError):
            yield ok(step, "the LMS does not say what time it is")
        else:
            if abs(seconds) > _CLOCK:
                said = f"it differs by {abs(seconds):.0f} s from this machine's"
                yield warning(step, said, "let this machine keep time by NTP; else tokens may count as expired")
            else:
                yield ok(step, f"it differs by less than {_CLOCK:.0f} s")


def _supervisor() -> Iterator[Finding]:
    """Look whether systemd, where it has started this, can be told how the daemon stands."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        yield ok("systemd", "it has not started this command, so nothing is to be seen")
    elif not address.startswith("@") and not Path(address).is_socket():
        said = f"NOTIFY_SOCKET names {address}, where there is no socket"
        yield failed("systemd", said, "use Type=notify in the unit, and give the service access to that path")
    else:
        yield ok("systemd", "it listens for signs of life")
