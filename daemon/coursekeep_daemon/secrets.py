"""Secrets in settings: references that are resolved late, and what never to show."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from coursekeep_daemon.keyrings import KeyringTrouble, read_secret
from coursekeep_daemon.origin import Origin

__all__ = ["HIDDEN", "is_reference", "redact", "resolve_secrets", "secret_path", "sounds_secret", "without_credentials"]

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"token|secret|passw|authorization|cookie|credential|(?:access|api|private)_?key|signature", re.IGNORECASE
)
#: what a path of a secret may begin with
_FOLDER = "${CREDENTIALS_DIRECTORY}"
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


def sounds_secret(name: str) -> bool:
    """Tell whether a key of this name may hold a secret."""
    return bool(_SECRET_NAME.search(name))


def without_credentials(text: str) -> str:
    """Take user and password out of addresses."""
    return _CREDENTIALS.sub(f"{HIDDEN}@", text)


def redact(value: Any, name: str = "") -> Any:
    """Return settings as they may be shown: references to secrets stay, secrets do not."""
    if isinstance(value, Mapping):
        return dict(value) if is_reference(value) else {key: redact(item, str(key)) for key, item in value.items()}
    if value is not None and sounds_secret(name):
        return HIDDEN
    if isinstance(value, (list, tuple)):
        return [redact(item, name) for item in value]
    return without_credentials(value) if isinstance(value, str) else value


def is_reference(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a value is `{ env = "NAME" }`, `{ file = "path" }` or `{ keyring = "service/user" }`."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in {"env", "file", "keyring"}


def resolve_secrets(values: Mapping[str, Any], at: Sequence[str], origin: Origin) -> dict[str, Any]:
    """Replace every reference by what it names. Raises `SettingsError` naming the one that is missing."""
    return {key: _resolve(value, (*at, key), origin) if is_reference(value) else value for key, value in values.items()}


def _resolve(reference: Mapping[str, str], key: Sequence[str], origin: Origin) -> str:
    if "env" in reference:
        variable = reference["env"]
        if secret := origin.environ.get(variable, ""):
            return secret
        raise origin.error(key, f"the environment variable {variable} is not set; set it, or name another")
    if "keyring" in reference:
        try:
            return read_secret(str(reference["keyring"]))
        except KeyringTrouble as error:
            raise origin.error(key, str(error)) from None
    path = secret_path(reference["file"], key, origin)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise origin.error(key, f"the file {path} cannot be read: {why}") from None
    if not secret:
        raise origin.error(key, f"the file {path} is empty; write the secret into it")
    return secret


def secret_path(path: str, key: Sequence[str], origin: Origin) -> Path:
    """Return where a secret lies that the setting `key` names. Raises `SettingsError`.

    The folder of the service's own credentials is put in, which systemd makes at each start and names in a variable.
    """
    if _FOLDER not in path:
        return origin.folder / path
    folder = origin.environ.get(_FOLDER.strip("${}"), "")
    if not folder:
        raise origin.error(
            key, f"{path}: there is no {_FOLDER} here; it is there in services for which systemd loads credentials"
        )
    return origin.folder / path.replace(_FOLDER, folder)
