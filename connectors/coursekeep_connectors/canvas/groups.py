"""Groups, their categories and members in every state."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from coursekeep import Kind, Record
from coursekeep_connectors.canvas.reading import Parts, Reading, Space
from coursekeep_connectors.canvas.values import Json, ident, objects, pick, text

__all__ = ["Groups"]


class Groups:
    """The groups of a course, remembered by id for what lives in their spaces."""

    def __init__(self) -> None:
        self.spaces: list[Space] = []

    async def parts(self, reading: Reading) -> Parts:
        """Yield every group with its members."""
        names: dict[str, str | None] = {}
        async for raw, items in reading.pages(f"{reading.base}/group_categories", endpoint="group_categories"):
            yield raw
            names.update((ident(item), text(item.get("name"))) for item in items)
        reading.expect(Kind.GROUPS, 0)
        params = [("include[]", "users")]
        async for raw, items in reading.pages(f"{reading.base}/groups", params, endpoint="groups"):
            yield raw
            for item in items:
                async with aclosing(self._group(reading, item, names)) as parts:
                    async for part in parts:
                        yield part

    async def _group(self, reading: Reading, item: Json, names: dict[str, str | None]) -> Parts:
        group_id = ident(item)
        self.spaces.append(Space(base=f"/api/v1/groups/{group_id}", group_id=group_id))
        members: list[Json] = []
        async with aclosing(
            reading.guarded(_memberships(reading, group_id, members), Kind.GROUPS, of=group_id, count=0)
        ) as parts:
            async for part in parts:
                yield part
        for user in objects(item.get("users")):
            reading.refer(user.get("id"), name=user.get("name"), sortable_name=user.get("sortable_name"))
        for part in reading.mapped(Kind.GROUPS, item, lambda found: _record(found, members, names)):
            yield part


async def _memberships(reading: Reading, group_id: str, members: list[Json]) -> Parts:
    params = [("filter_states[]", state) for state in ("accepted", "invited", "requested")]
    url = f"/api/v1/groups/{group_id}/memberships"
    async for raw, items in reading.pages(url, params, endpoint="group_memberships"):
        yield raw
        for item in items:
            reading.refer(item.get("user_id"))
            members.append(item)


def _record(item: Json, members: list[Json], names: dict[str, str | None]) -> Record:
    category_id = text(item.get("group_category_id"))
    accepted = [
        ident(member, "user_id") for member in members if member.get("workflow_state", "accepted") == "accepted"
    ]
    listed = accepted or [ident(user) for user in objects(item.get("users"))]
    memberships: list[dict[str, Any]] = [
        {
            "id": ident(member),
            "person_id": ident(member, "user_id"),
            "state": text(member.get("workflow_state")),
            **pick(member, "moderator", "created_at"),
        }
        for member in members
    ]
    data = {
        "name": text(item.get("name")),
        "description": text(item.get("description")),
        "category_id": category_id,
        "category_name": names.get(category_id or ""),
        "member_ids": sorted(set(listed), key=lambda found: (len(found), found)),
        "memberships": sorted(memberships, key=lambda found: (len(found["id"]), found["id"])),
        "max_members": item.get("max_membership"),
        "sis_id": text(item.get("sis_group_id")),
    }
    return Record(kind=Kind.GROUPS, id=ident(item), data=data)
