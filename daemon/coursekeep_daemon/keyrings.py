"""The keyring of the machine or the user: the only module that knows the library `keyring`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["KeyringAbsent", "KeyringTrouble", "read_secret", "split_reference", "write_secret"]

_REMEDY = "install and unlock a keyring for the daemon's user, or name the secret by env or file"


class KeyringTrouble(Exception):
    """The keyring cannot be used; the message says why and what to do, and never holds a secret."""


class KeyringAbsent(KeyringTrouble):
    """The keyring is there, and does not hold the secret."""


def split_reference(reference: str) -> tuple[str, str]:
    """Read `service/user`; a service may hold slashes itself. Raises `KeyringTrouble`."""
    service, _, user = reference.rpartition("/")
    if not service or not user:
        raise KeyringTrouble(f'{reference!r} is no name of a secret in a keyring; write "service/user"')
    return service, user


def read_secret(reference: str) -> str:
    """Return the secret that the keyring holds as `service/user`. Raises `KeyringTrouble`, `KeyringAbsent`."""
    service, user = split_reference(reference)
    backend = _backend()
    try:
        secret = backend.get_password(service, user)
    except Exception as error:  # noqa: BLE001  # plugin boundary: a backend may raise anything
        raise KeyringTrouble(_failed(backend, error)) from None
    if not secret:
        asked = f"the keyring {_named(backend)} holds no secret for the service {service} and the user {user}"
        raise KeyringAbsent(f"{asked}; put it there with `keyring set {service} {user}`, as the daemon's user")
    return secret


def write_secret(reference: str, secret: str) -> None:
    """Put a secret into the keyring as `service/user`. Raises `KeyringTrouble`."""
    service, user = split_reference(reference)
    backend = _backend()
    try:
        backend.set_password(service, user, secret)
    except Exception as error:  # noqa: BLE001  # plugin boundary: a backend may raise anything
        raise KeyringTrouble(_failed(backend, error)) from None


def _backend() -> KeyringBackend:
    """Choose the backend anew each time: the library remembers the first one for good, also where it was none."""
    from keyring import core

    try:
        core.init_backend()
        return core.get_keyring()
    except Exception as error:  # noqa: BLE001  # plugin boundary: a backend's module is imported here
        said = f"{type(error).__name__}: {error}"
        raise KeyringTrouble(f"the keyring cannot be opened ({said}); {_REMEDY}") from None


def _failed(backend: KeyringBackend, error: Exception) -> str:
    from keyring.errors import KeyringLocked, NoKeyringError

    if isinstance(error, NoKeyringError):
        return f"this machine has no keyring that the daemon can use; {_REMEDY}"
    if isinstance(error, KeyringLocked):
        return f"the keyring {_named(backend)} is locked; {_REMEDY}"
    # What a backend says may hold anything, the secret included: its kind of error is all that is repeated.
    return f"the keyring {_named(backend)} failed ({type(error).__name__}); {_REMEDY}"


def _named(backend: KeyringBackend) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"
