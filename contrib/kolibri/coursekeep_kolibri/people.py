"""People of a class: learners, coaches, groups, and whoever made or did something in it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from functools import partial

from coursekeep import Gap, GapReason, Kind, MalformedAnswer, Record
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.reading import Reading, chunks

__all__ = ["read_enrollments", "read_groups", "read_people"]

_ROLES = {"coach": "teacher", "admin": "teacher"}


async def read_enrollments(reading: Reading) -> Parts:
    """Yield memberships of learners and roles of coaches; accounts that were deleted lately are told by their state."""
    ledger = reading.ledger
    members = await reading.all("/api/auth/membership/", {"collection": reading.id})
    roles = await reading.all("/api/auth/role/", {"collection": reading.id})
    found = await reading.all("/api/auth/deletedfacilityuser/", {"related_to__in": reading.id})
    reading.deleted = deleted = {str(one["id"]): one for one in found}
    yield reading.raw("memberships", members)
    yield reading.raw("roles", roles)
    active = [one for one in members if one.get("user") not in deleted]
    ledger.expect(Kind.ENROLLMENTS, _counted(reading.item.get("learner_count"), len(active)), "learner_count")
    coaches = [one for one in roles if one.get("user") not in deleted]
    ledger.expect(Kind.ENROLLMENTS, len(coaches), "roles of the class")
    ledger.expect(Kind.ENROLLMENTS, len(members) + len(roles) - len(active) - len(coaches), "deleted accounts")
    for one in (*members, *roles):
        reading.met(one.get("user"))
        for part in ledger.mapped(Kind.ENROLLMENTS, one, partial(_enrollment, deleted=deleted)):
            yield part


def _counted(count: object, listed: int) -> int:
    """Return Kolibri's own count; where somebody came while it was read, what was listed."""
    if not isinstance(count, int):
        raise MalformedAnswer("the class has no learner_count")
    return max(count, listed)


def _enrollment(item: Item, deleted: Mapping[str, Item]) -> Record:
    kind = item.get("kind")
    data = {
        "person_id": item["user"],
        "role": "student" if kind is None else _ROLES.get(kind, "other"),
        "role_name": "learner" if kind is None else kind,
        "state": "deleted" if item["user"] in deleted else "active",
    }
    return Record(kind=Kind.ENROLLMENTS, id=str(item["id"]), data=data)


async def read_groups(reading: Reading) -> Parts:
    """Yield the groups of the class, and those that Kolibri makes for what single learners were given."""
    for key, category in (("groups", "learnergroup"), ("adhoclearners", "adhoclearnersgroup")):
        found = reading.listed(key)
        yield reading.raw(key, found)
        reading.ledger.expect(Kind.GROUPS, len(found), "class summary")
        for one in found:
            reading.met(*one.get("member_ids", ()))
            for part in reading.ledger.mapped(Kind.GROUPS, one, partial(_group, category=category)):
                yield part


def _group(item: Item, category: str) -> Record:
    data = {"name": item["name"], "category_name": category, "member_ids": sorted(item["member_ids"])}
    return Record(kind=Kind.GROUPS, id=str(item["id"]), data=data)


async def read_people(reading: Reading) -> Parts:
    """Yield whoever belongs to the class, and then whoever is referred to besides."""
    ledger = reading.ledger
    params = {"related_to__in": reading.id, "page_size": reading.settings.page_size}
    async with aclosing(reading.client.pages("/api/auth/facilityuser/", params, key="results")) as pages:
        async for page in pages:
            if page.number == 1:
                ledger.expect(Kind.PEOPLE, int(page.body["count"]), "count")
            yield reading.raw("people", page.items)
            for one in page.items:
                for part in ledger.mapped(Kind.PEOPLE, one, _person):
                    yield part
    ledger.expect(Kind.PEOPLE, len(reading.deleted), "deleted accounts")
    yield reading.raw("people", list(reading.deleted.values()))
    for one in reading.deleted.values():
        for part in ledger.mapped(Kind.PEOPLE, one, _person):
            yield part
    known = set(ledger.captured(Kind.PEOPLE))
    async for part in _others(reading, [id_ for id_ in reading.people if id_ not in known]):
        yield part


async def _others(reading: Reading, wanted: list[str]) -> Parts:
    """Yield people who no longer belong to the class, or never did; one who cannot be read is a gap."""
    ledger = reading.ledger
    ledger.expect(Kind.PEOPLE, len(wanted), "referred to")
    for ids in chunks(wanted):
        for path in ("/api/auth/facilityuser/", "/api/auth/deletedfacilityuser/"):
            found = await reading.all(path, {"by_ids": ",".join(ids)})
            yield reading.raw("people", found)
            for one in found:
                for part in ledger.mapped(Kind.PEOPLE, one, _person):
                    yield part
    known = set(ledger.captured(Kind.PEOPLE))
    for id_ in wanted:
        if id_ not in known:
            detail = "the class refers to this user, whom the signed-in user may not read, or who was deleted"
            yield Gap(kind=Kind.PEOPLE, reason=GapReason.NO_ACCESS, id=id_, detail=detail)


def _person(item: Item) -> Record:
    data = {"name": item["full_name"], "login_id": item["username"], "sis_id": item.get("id_number") or None}
    return Record(kind=Kind.PEOPLE, id=str(item["id"]), data=data)
