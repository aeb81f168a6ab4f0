"""Traps in discussions: views not built yet, entries outside the tree, group topics, anonymity, announcements."""

from __future__ import annotations

from datetime import timedelta

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import ORIGIN, Bytes, Doc, GroupSpace, Page, StoredFile, Topic
from coursekeep_campus.shapes_material import entry_doc, file_doc, folder_doc, page_doc, topic_doc
from coursekeep_campus.times import stamp

__all__ = ["announcements", "anonymous_topic", "group_discussion", "new_entries", "unbuilt_views"]


def unbuilt_views(builder: Builder) -> None:
    """Let views answer 503 once or twice before they are built."""
    for number, topic in enumerate(builder.content.topics):
        topic.unready = 1 + number % 2


def new_entries(builder: Builder) -> None:
    """Leave the newest replies outside the tree, delete some inside it, and attach files."""
    topic = builder.topic("Long debate", require_initial_post=True)
    topic.require_initial_post = True
    first, second, third = builder.students[:3]
    root = builder.entry(topic, first)
    middle = builder.entry(topic, second, root)
    leaf = builder.entry(topic, third, middle, rating_sum=2, rating_count=2)
    _delete(topic, middle)
    _delete(topic, builder.entry(topic, second))
    attached = builder.file("chart.txt", attached=True).doc
    builder.entry(topic, first, attachment=attached, attachments=[attached])
    late = builder.day(20)
    for parent in (None, root, leaf):
        doc = entry_doc(builder.new_id(), second.id, builder.html(), late, parent_id=parent["id"] if parent else None)
        topic.new_entries.append(doc)
        topic.doc["discussion_subentry_count"] += 1
    edited = builder.entry(topic, third)
    edited["editor_id"] = builder.course.teachers[0].id


def _delete(topic: Topic, entry: Doc) -> None:
    """Turn a reply into what Canvas leaves of it: a place in the tree, which it does not count."""
    topic.doc["discussion_subentry_count"] -= 1
    for name in ("message", "user_id", "rating_sum", "rating_count"):
        entry.pop(name, None)
    entry["deleted"] = True


def group_discussion(builder: Builder) -> None:
    """Hold a discussion in groups: the course's topic is a shell, the replies are in its children."""
    category = builder.new_id()
    builder.content.group_categories.append(
        {
            "id": category,
            "name": "Project teams",
            "role": None,
            "self_signup": None,
            "group_limit": 4,
            "auto_leader": None,
            "context_type": "Course",
            "course_id": builder.course.id,
            "account_id": None,
            "sis_group_category_id": None,
            "sis_import_id": None,
            "protected": False,
            "allows_multiple_memberships": False,
            "is_member": False,
        }
    )
    shell = builder.topic("Plan your project", group_category_id=category)
    for number in (1, 2):
        _group(builder, category, number, shell)


def _group(builder: Builder, category: int, number: int, shell: Topic) -> None:
    group = builder.new_id()
    members = builder.students[number - 1 : 6 : 2]
    builder.content.groups.append(
        {
            "id": group,
            "name": f"Team {number}",
            "description": None,
            "max_membership": 4,
            "is_public": False,
            "join_level": "invitation_only",
            "group_category_id": category,
            "context_type": "Course",
            "course_id": builder.course.id,
            "members_count": len(members) - 1,
            "sis_group_id": None,
            "sis_import_id": None,
            "concluded": False,
            "storage_quota_mb": 50,
            "role": None,
        }
    )
    space = builder.content.group_spaces[group] = GroupSpace()
    states = ["accepted"] * (len(members) - 1) + ["invited"]
    for person, state in zip(members, states, strict=True):
        space.memberships.append(
            {
                "id": builder.new_id(),
                "group_id": group,
                "user_id": person.id,
                "workflow_state": state,
                "moderator": False,
                "just_created": False,
                "sis_import_id": None,
            }
        )
    child = topic_doc(
        builder.new_id(),
        builder.course.id,
        shell.doc["title"],
        shell.doc["message"],
        builder.day(3),
        root_topic_id=shell.doc["id"],
        group_category_id=shell.doc["group_category_id"],
        html_url=f"{ORIGIN}/groups/{group}/discussion_topics",
    )
    topic = Topic(doc=child)
    for person in members:
        builder.entry(topic, person)
    space.topics.append(topic)
    shell.doc["topic_children"].append(child["id"])
    shell.doc["group_topic_children"].append({"id": child["id"], "group_id": group})
    _space(builder, space, group, number)


def _space(builder: Builder, space: GroupSpace, group: int, number: int) -> None:
    folder = folder_doc(builder.new_id(), group, "files", None, context_type="Group", files_count=1)
    space.folders.append(folder)
    data = f"minutes of team {number}\n".encode()
    doc = file_doc(builder.new_id(), "minutes.txt", len(data), builder.day(9), verifier=None, folder_id=folder["id"])
    space.files.append(StoredFile(doc=doc, content=Bytes(data=data)))
    space.pages.append(Page(doc=page_doc(builder.new_id(), "plan", "Plan", builder.html(), builder.day(8))))


def anonymous_topic(builder: Builder) -> None:
    """Hold two discussions anonymously: the API serves neither their replies nor their authors."""
    for state in ("full_anonymity", "partial_anonymity"):
        topic = builder.topic(f"Say it freely ({state})", anonymous_state=state, discussion_subentry_count=3)
        topic.doc.update(author={}, user_name=None)
        topic.anonymous = True


def announcements(builder: Builder) -> None:
    """Announce long ago, in a draft, and with delay: none of it is in the default window."""
    old = builder.topic("Long ago", announcement=True)
    old.doc["posted_at"] = stamp(builder.day(-300))
    draft = builder.topic("Draft", announcement=True, published=False)
    draft.doc["posted_at"] = None
    later = builder.topic("Delayed", announcement=True)
    later.doc["delayed_post_at"] = stamp(builder.now + timedelta(days=400))
    later.doc["posted_at"] = stamp(builder.now + timedelta(days=400))
    builder.entry(old, builder.students[0])
