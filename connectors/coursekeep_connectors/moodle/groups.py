"""Groups with their members, and groupings."""

from __future__ import annotations

from coursekeep import Kind, Record
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, objects, text, texts

__all__ = ["groupings", "groups"]

_AT_ONCE = 100


async def groups(reading: Reading) -> Parts:
    """Yield every group with its members."""
    reading.expect(Kind.GROUPS, 0)
    _, items = await reading.listing("core_group_get_course_groups", {"courseid": reading.course.id})
    yield reading.raw("groups", items)
    members: dict[str, list[str]] = {}
    for start in range(0, len(items), _AT_ONCE):
        wanted = [ident(item) for item in items[start : start + _AT_ONCE]]
        _, found = await reading.listing("core_group_get_group_members", {"groupids": wanted})
        yield reading.raw("group_members", [{"id": item.get("groupid"), **item} for item in found])
        members |= {ident(item, "groupid"): texts(item.get("userids")) for item in found}
    for item in items:
        for person_id in members.get(text(item.get("id")) or "", ()):
            reading.refer(person_id)
        for part in reading.mapped(Kind.GROUPS, item, lambda found: _group(found, members)):
            yield part


def _group(item: Json, members: dict[str, list[str]]) -> Record:
    data = {
        "name": text(item.get("name")),
        "description": text(item.get("description")) or None,
        "member_ids": sorted(members.get(ident(item), ()), key=lambda found: (len(found), found)),
        "sis_id": text(item.get("idnumber")) or None,
    }
    return Record(kind=Kind.GROUPS, id=ident(item), data=data)


async def groupings(reading: Reading) -> Parts:
    """Yield the groupings, each with the groups in it, as a setting of the course."""
    _, items = await reading.listing("core_group_get_course_groupings", {"courseid": reading.course.id})
    if not items:
        return
    wanted = {"groupingids": [ident(item) for item in items], "returngroups": True}
    _, found = await reading.listing("core_group_get_groupings", wanted)
    yield reading.raw("groupings", found)
    value = [
        {
            "id": ident(item),
            "name": text(item.get("name")),
            "description": text(item.get("description")),
            "sis_id": text(item.get("idnumber")) or None,
            "group_ids": [ident(group) for group in objects(item.get("groups"))],
        }
        for item in found
    ]
    reading.expect(Kind.SETTINGS)
    yield Record(kind=Kind.SETTINGS, id="groupings", data={"value": value})
