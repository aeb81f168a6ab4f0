"""Users and the audit through the API."""

from __future__ import annotations

from fakes.api_service import ApiHouse, in_house

PASSWORD = "correct horse battery staple"


def test_a_caller_learns_who_it_is() -> None:
    """`/me` tells name, role and scope; a token never does more than its user, from the next request on."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as admin, house.client("operate") as operate:
            before = (await operate.get("/me")).json()
            lowered = await admin.patch("/users/operate", json={"role": "viewer"})
            after = (await operate.get("/me")).json()
            refused = await operate.post("/pause")

        assert before == {"name": "operate", "role": "operator", "scope": "operate", "token": "operate"}
        assert lowered.json()["role"] == "viewer"
        assert (after["role"], after["scope"], refused.status_code) == ("viewer", "read", 403)

    in_house(test)


def test_users_are_added_changed_and_disabled() -> None:
    """An administrator adds users, changes them, and disables them: their tokens are refused at once."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as admin, house.client("read") as read:
            made = await admin.post("/users", json={"name": "ada", "role": "operator", "password": PASSWORD})
            again = await admin.post("/users", json={"name": "ADA", "role": "viewer"})
            weak = await admin.patch("/users/ada", json={"password": "short"})
            nothing = await admin.patch("/users/ada", json={})
            unknown = await admin.patch("/users/nobody", json={"disabled": True})
            disabled = await admin.patch("/users/read", json={"disabled": True})
            out = await read.get("/me")
            listed = (await admin.get("/users")).json()["items"]

        assert (made.status_code, made.json()["signs_in_with"]) == (201, "password")
        assert (again.status_code, weak.status_code, nothing.status_code, unknown.status_code) == (409, 422, 422, 404)
        assert weak.json()["errors"][0]["where"] == "password"
        assert (disabled.status_code, out.status_code) == (200, 401)
        assert [each["name"] for each in listed] == ["ada", "admin", "operate", "read"]
        events = (await house.store.audit_events()).items
        assert PASSWORD not in str(events)
        assert [(each.action, each.target, each.result) for each in reversed(events)] == [
            ("user.add", "ada", "done"),
            ("user.add", "", "refused"),
            ("user.change", "ada", "refused"),
            ("user.change", "read", "done"),
        ]

    in_house(test)


def test_the_last_administrator_is_kept() -> None:
    """Taking away the only administrator is a conflict, by role or by disabling, and changes nothing."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as admin:
            for change in ({"disabled": True}, {"role": "viewer"}):
                answer = await admin.patch("/users/admin", json=change)
                assert (answer.status_code, "last administrator" in answer.json()["detail"]) == (409, True)
            assert (await admin.get("/me")).json()["role"] == "administrator"

    in_house(test)


def test_the_audit_is_filtered_and_paged() -> None:
    """`/audit` lists by who, action, target and time, newest first, page by page; unknown filters are refused."""

    async def test(house: ApiHouse) -> None:
        for number in range(5):
            await house.store.audit("ada" if number % 2 else "bob", "run.pause", f"run {number}", "done")
        async with house.client("read") as client:
            first = await client.get("/audit?limit=2")
            rest = await client.get("http://daemon" + first.links["next"]["url"])
            ada = await client.get("/audit?who=ada&action=run.pause")
            one = await client.get("/audit?target=run 3&since=2020-01-01T00:00:00Z")
            none = await client.get("/audit?before=2020-01-01T00:00:00Z")
            unknown = await client.get("/audit?name=ada")

        targets = [[each["target"] for each in answer.json()["items"]] for answer in (first, rest, ada, one, none)]
        assert targets == [["run 4", "run 3"], ["run 2", "run 1"], ["run 3", "run 1"], ["run 3"], []]
        assert unknown.status_code == 422

    in_house(test)
