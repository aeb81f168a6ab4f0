"""Commands about notifications: in a process of their own, over a real socket."""

from __future__ import annotations

from fakes.api_service import ApiHouse, in_house, served
from fakes.cli_process import coursekeep

from coursekeep_daemon.notifications.targets import Undelivered


def test_notifications_are_listed_and_targets_tested() -> None:
    """`notification list`, `targets` and `test` print tables or JSON; a test that fails exits with 1."""

    async def test(house: ApiHouse) -> None:
        await house.store.halt_integration("main", "the token has expired")
        (needed,) = await house.store.unaddressed()
        await house.store.address(needed.id, ["ops"])
        async with served(house) as url:
            access = {"COURSEKEEP_URL": url, "COURSEKEEP_TOKEN": house.tokens["operate"]}
            listed = await coursekeep("notification", "list", "--kind", "credentials_needed", **access)
            as_json = await coursekeep("notification", "list", "--all", "--json", **access)
            targets = await coursekeep("notification", "targets", **access)
            good = await coursekeep("notification", "test", "ops", **access)
            house.service.target.raises = Undelivered("it answered 503")
            bad = await coursekeep("notification", "test", "ops", **access)
            unknown = await coursekeep("notification", "test", "obs", "--json", **access)

        assert "credentials_needed" in listed.out
        assert "ops pending" in listed.out
        assert as_json.json["items"][0]["uid"] == needed.uid
        assert "run_failed, run_recovered" in targets.out
        assert (good.code, good.out) == (0, "ops: the test message was delivered\n")
        assert (bad.code, bad.out) == (1, "ops: the test message could not be delivered: it answered 503\n")
        assert (unknown.code, len(unknown.err.splitlines())) == (2, 1)

    in_house(test)
