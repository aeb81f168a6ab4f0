"""Signing in: passwords, sessions, and how guessing gets slow without locking people out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fakes.store_house import HandClock, sqlite_house

from coursekeep_daemon.accounts import Accounts, SignInRefused, TooManyAttempts, check_name, check_password
from coursekeep_daemon.requests import BadRequest
from coursekeep_daemon.settings import AccountSettings
from coursekeep_daemon.store import Conflict, Role, Store, UserChange

PASSWORD = "correct horse battery staple"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)

Test = Callable[[Store, Accounts, HandClock], Awaitable[None]]


def _test(folder: Path, test: Test, settings: AccountSettings | None = None) -> None:
    house = sqlite_house(folder)

    async def main(store: Store) -> None:
        accounts = Accounts(store, settings or AccountSettings(), hasher=CHEAP)
        await accounts.add("ada", Role.ADMINISTRATOR, PASSWORD)
        await test(store, accounts, house.clock)

    house.run(main)


async def _sign_in(
    accounts: Accounts, password: str = PASSWORD, *, name: str = "ada", address: str = "10.0.0.1"
) -> str:
    _, secret = await accounts.sign_in(name, password, address=address, agent="a browser")
    return secret


async def _fail(accounts: Accounts, times: int, *, name: str = "ada", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        with pytest.raises(SignInRefused) as refused:
            await _sign_in(accounts, "wrong", name=name, address=address)
        assert not isinstance(refused.value, TooManyAttempts)


async def _waits(accounts: Accounts, *, name: str = "ada", address: str = "10.0.0.1") -> timedelta:
    with pytest.raises(TooManyAttempts) as refused:
        await _sign_in(accounts, name=name, address=address)
    return refused.value.wait


def test_after_some_failures_the_next_attempt_waits_longer_and_longer(tmp_path: Path) -> None:
    """From the fifth failure on, name and address together wait 15 s, then twice as long, at most five minutes."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        await _fail(accounts, 5)
        waits = []
        for _ in range(7):
            waits.append((await _waits(accounts)).total_seconds())
            clock.move(seconds=waits[-1])
            await _fail(accounts, 1)

        assert waits == [15, 30, 60, 120, 240, 300, 300]

    _test(tmp_path, test)


def test_the_right_password_after_the_wait_begins_anew(tmp_path: Path) -> None:
    """Who waited and then types the right password is in, and has all free attempts again."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        await _fail(accounts, 5)
        clock.move(seconds=15)
        await _sign_in(accounts)

        await _fail(accounts, 5)
        assert await _waits(accounts)

    _test(tmp_path, test)


def test_waits_survive_a_restart(tmp_path: Path) -> None:
    """Failures are kept in the store: a new daemon makes an attempt wait as the old one did."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        await _fail(accounts, 5)
        async with Store(f"sqlite:///{tmp_path}/coursekeep.db", clock=clock) as again:
            wait = await _waits(Accounts(again, AccountSettings(), hasher=CHEAP))

        assert wait == timedelta(seconds=15)

    _test(tmp_path, test)


def test_many_attempts_at_once_are_not_more_than_many_in_a_row(tmp_path: Path) -> None:
    """Of twenty attempts sent at the same moment five are looked at; the right password among the rest is not."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        attempts = [_sign_in(accounts, "wrong") for _ in range(20)]
        found = await asyncio.gather(*attempts, return_exceptions=True)

        assert sum(isinstance(each, TooManyAttempts) for each in found) == 15

    _test(tmp_path, test)


def test_nobody_is_locked_out_by_a_stranger(tmp_path: Path) -> None:
    """Failures elsewhere, however many, do not hold where the user signed in before; elsewhere a minute at most."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        await _sign_in(accounts, address="10.0.0.1")
        for number in range(60):
            clock.move(minutes=1)
            await _fail(accounts, 1, address=f"192.0.2.{number}")

        assert await _sign_in(accounts, address="10.0.0.1")
        assert await _waits(accounts, address="10.9.9.9") == timedelta(minutes=1)

    _test(tmp_path, test)


def test_one_address_cannot_try_many_names(tmp_path: Path) -> None:
    """Failures of one address count whatever the name, so also those of a whole /64 of IPv6."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        for number in range(50):
            await _fail(accounts, 1, name=f"name {number}", address=f"2001:db8:1:2::{number:x}")

        assert await _waits(accounts, name="another", address="2001:db8:1:2:ffff::1") == timedelta(seconds=5)
        assert await _sign_in(accounts, address="2001:db8:1:3::1")

    _test(tmp_path, test)


def test_an_own_account_does_not_buy_attempts_at_others(tmp_path: Path) -> None:
    """Signing in oneself between guesses does not take back the failures of one's address."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        for number in range(50):
            await _sign_in(accounts)
            await _fail(accounts, 1, name=f"name {number}")

        assert await _waits(accounts, name="another")

    _test(tmp_path, test)


def test_failures_are_forgotten_after_a_day(tmp_path: Path) -> None:
    """A day without a failure begins the count anew, and the rows of strangers are deleted."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        await _fail(accounts, 5)
        clock.move(hours=24)
        await _fail(accounts, 5)
        assert await _waits(accounts)

    _test(tmp_path, test)


def test_names_are_told_apart_by_nothing(tmp_path: Path) -> None:
    """An unknown name, a disabled user and one without a password get the same words as a wrong password."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        await accounts.add("robot", Role.VIEWER, None)
        gone = await accounts.add("gone", Role.VIEWER, PASSWORD)
        await store.change_user(gone.id, UserChange(disabled=True))
        said = set()
        for name in ("nobody", "robot", "gone"):
            with pytest.raises(SignInRefused) as refused:
                await _sign_in(accounts, name=name)
            said.add(str(refused.value))
        with pytest.raises(SignInRefused) as refused:
            await _sign_in(accounts, "wrong")

        assert said == {str(refused.value)}

    _test(tmp_path, test)


def test_sessions_end_by_idle_time_and_at_the_latest_end(tmp_path: Path) -> None:
    """A session ends after session_idle_hours without use, and after session_hours however much it is used."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        idle, used = await _sign_in(accounts), await _sign_in(accounts)
        for _ in range(3):
            clock.move(hours=1)
            assert await accounts.signed_in(used)
        assert await accounts.signed_in(idle) is None
        clock.move(hours=1)

        assert await accounts.signed_in(used) is None

    _test(tmp_path, test, AccountSettings(session_hours=4, session_idle_hours=2))


def test_an_old_hash_is_made_stronger_but_never_brings_an_old_password_back(tmp_path: Path) -> None:
    """A sign-in renews a weak hash; a password that was changed meanwhile stays the new one."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        ada = await store.user("ada")
        assert ada is not None
        weak = await store.password_hash(ada.id)
        assert weak is not None
        stronger = Accounts(store, AccountSettings(), hasher=PasswordHasher(2, 16, 1))
        await _sign_in(stronger)
        renewed = await store.password_hash(ada.id)
        await store.renew_password_hash(ada.id, weak, "of the old password")

        assert renewed not in (None, weak)
        assert await store.password_hash(ada.id) == renewed

    _test(tmp_path, test)


def test_who_was_signed_out_everywhere_while_signing_in_stays_out(tmp_path: Path) -> None:
    """A session is not opened with a password that was changed, or for a user that was disabled, meanwhile."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        ada = await store.user("ada")
        assert ada is not None
        with pytest.raises(Conflict):
            await accounts.open_session(ada, agent="", password_hash="of the old password")
        await store.change_user(ada.id, UserChange(disabled=True))
        with pytest.raises(Conflict):
            await accounts.open_session(ada, agent="")

        assert await store.sessions(ada.id) == []

    _test(tmp_path, test)


@pytest.mark.parametrize(
    ("who", "refused"),
    [
        ([("bob", Role.OPERATOR, PASSWORD)], True),
        ([("robot", Role.ADMINISTRATOR, None)], True),
        ([("bob", Role.ADMINISTRATOR, PASSWORD)], False),
    ],
)
def test_the_last_administrator_stays(tmp_path: Path, who: list[tuple[str, Role, str | None]], refused: bool) -> None:
    """No change through console or API leaves nobody who can sign in to administer."""

    async def test(store: Store, accounts: Accounts, clock: HandClock) -> None:
        for each in who:
            await accounts.add(*each)
        ada = await store.user("ada")
        assert ada is not None
        changes: list[dict[str, object]] = [{"role": Role.VIEWER}, {"disabled": True}]
        for change in changes:
            if refused:
                with pytest.raises(Conflict, match="last administrator"):
                    await accounts.change(ada, **change)  # type: ignore[arg-type]
                assert await store.user("ada") == ada
        if not refused:
            assert (await accounts.change(ada, disabled=True)).disabled_at is not None

    _test(tmp_path, test)


@pytest.mark.parametrize("name", ["", " ada", "ada ", "a\nb", "a" * 101, "a\u202eb"])
def test_a_name_is_printable_and_not_too_long(name: str) -> None:
    """A name that pages and logs could not show as it is is refused."""
    with pytest.raises(BadRequest, match="printable"):
        check_name(name)


@pytest.mark.parametrize("password", ["short", "x" * 1001, "administrator", "adminadminadmin"])
def test_a_weak_password_is_refused(password: str) -> None:
    """A password has twelve characters or more, and is not the name, once or repeated."""
    with pytest.raises(BadRequest, match="password"):
        check_password(password, "admin" if password.startswith("admina") else "administrator")
