"""A small channel of learning material on a disk, of the form in which Kolibri exports and imports channels."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

__all__ = ["Channel", "Node", "write_channel"]

#: the columns of Kolibri's content schema 5, without those that may be left empty here
_TABLES = {
    "content_contenttag": "id CHAR(32) PRIMARY KEY, tag_name VARCHAR(30) NOT NULL",
    "content_language": (
        "id VARCHAR(14) PRIMARY KEY, lang_code VARCHAR(3) NOT NULL, lang_subcode VARCHAR(10), lang_name VARCHAR(100),"
        " lang_direction VARCHAR(3) NOT NULL"
    ),
    "content_localfile": (
        "id VARCHAR(32) PRIMARY KEY, extension VARCHAR(40) NOT NULL, available BOOLEAN NOT NULL, file_size INTEGER"
    ),
    "content_contentnode": (
        "id CHAR(32) PRIMARY KEY, license_name VARCHAR(50), license_description TEXT, title VARCHAR(200) NOT NULL,"
        " coach_content BOOLEAN NOT NULL, content_id CHAR(32) NOT NULL, channel_id CHAR(32) NOT NULL, description TEXT,"
        " sort_order FLOAT, license_owner VARCHAR(200) NOT NULL, author VARCHAR(200) NOT NULL,"
        " kind VARCHAR(200) NOT NULL, available BOOLEAN NOT NULL, options TEXT, grade_levels TEXT, resource_types TEXT,"
        " learning_activities TEXT, accessibility_labels TEXT, categories TEXT, learner_needs TEXT, duration INTEGER,"
        " lft INTEGER NOT NULL, rght INTEGER NOT NULL, tree_id INTEGER NOT NULL, level INTEGER NOT NULL,"
        " lang_id VARCHAR(14), parent_id CHAR(32)"
    ),
    "content_assessmentmetadata": (
        "id CHAR(32) PRIMARY KEY, assessment_item_ids TEXT NOT NULL, number_of_assessments INTEGER NOT NULL,"
        " mastery_model TEXT NOT NULL, randomize BOOLEAN NOT NULL, is_manipulable BOOLEAN NOT NULL,"
        " contentnode_id CHAR(32) NOT NULL"
    ),
    "content_channelmetadata": (
        "id CHAR(32) PRIMARY KEY, name VARCHAR(200) NOT NULL, description VARCHAR(400) NOT NULL, tagline VARCHAR(150),"
        " author VARCHAR(400) NOT NULL, version INTEGER NOT NULL, thumbnail TEXT NOT NULL, last_updated VARCHAR,"
        " min_schema_version VARCHAR(50) NOT NULL, root_id CHAR(32) NOT NULL"
    ),
    "content_contentnode_has_prerequisite": (
        "id INTEGER PRIMARY KEY, from_contentnode_id CHAR(32) NOT NULL, to_contentnode_id CHAR(32) NOT NULL"
    ),
    "content_contentnode_related": (
        "id INTEGER PRIMARY KEY, from_contentnode_id CHAR(32) NOT NULL, to_contentnode_id CHAR(32) NOT NULL"
    ),
    "content_contentnode_tags": (
        "id INTEGER PRIMARY KEY, contentnode_id CHAR(32) NOT NULL, contenttag_id CHAR(32) NOT NULL"
    ),
    "content_file": (
        "id CHAR(32) PRIMARY KEY, preset VARCHAR(150) NOT NULL, supplementary BOOLEAN NOT NULL,"
        " thumbnail BOOLEAN NOT NULL, priority INTEGER, contentnode_id CHAR(32) NOT NULL, lang_id VARCHAR(14),"
        " local_file_id VARCHAR(32) NOT NULL"
    ),
}


def _id(text: str) -> str:
    return uuid5(NAMESPACE_URL, f"coursekeep-test:{text}").hex


@dataclass(frozen=True, kw_only=True)
class Node:
    """One resource, or a folder of them: a topic, a course, a unit, a lesson of a course."""

    key: str
    title: str
    kind: str
    #: extension and bytes of its file
    file: tuple[str, bytes] | None = None
    preset: str = ""
    #: item ids of an exercise
    items: tuple[str, ...] = ()
    children: tuple[Node, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return _id(f"node:{self.key}")

    @property
    def content_id(self) -> str:
        return _id(f"content:{self.key}")

    @property
    def item_ids(self) -> list[str]:
        """Return the ids of the exercise's items."""
        return [_id(f"item:{self.key}:{item}") for item in self.items]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A channel with its resources."""

    name: str
    nodes: tuple[Node, ...]

    @property
    def id(self) -> str:
        return _id(f"channel:{self.name}")


def write_channel(channel: Channel, folder: Path) -> None:
    """Write the channel's database and files below `folder`, as `kolibri manage exportchannel` lays them out."""
    databases = folder / "content" / "databases"
    databases.mkdir(parents=True, exist_ok=True)
    root = Node(key=f"root:{channel.name}", title=channel.name, kind="topic", children=channel.nodes)
    database = sqlite3.connect(databases / f"{channel.id}.sqlite3")
    try:
        for name, columns in _TABLES.items():
            database.execute(f"CREATE TABLE {name} ({columns})")
        writer = _Writer(channel, database, folder / "content" / "storage")
        writer.node(root, None, 0)
        writer.insert(
            "content_channelmetadata",
            id=channel.id,
            name=channel.name,
            description="Made for tests",
            author="",
            version=1,
            thumbnail="",
            last_updated="2026-01-01 00:00:00",
            min_schema_version="5",
            root_id=root.id,
        )
        database.commit()
    finally:
        database.close()


class _Writer:
    """Writes one tree in its order: Kolibri finds what lies below a node by `lft` and `rght`."""

    def __init__(self, channel: Channel, database: sqlite3.Connection, storage: Path) -> None:
        self._channel = channel
        self._database = database
        self._storage = storage
        self._place = 0

    def insert(self, table: str, **row: Any) -> None:
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        self._database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))

    def node(self, node: Node, parent: Node | None, level: int) -> None:
        left = self._next()
        for child in node.children:
            self.node(child, node, level + 1)
        self.insert(
            "content_contentnode",
            id=node.id,
            title=node.title,
            coach_content=0,
            content_id=node.content_id,
            channel_id=self._channel.id,
            description=f"About {node.title}",
            license_name="CC BY",
            license_owner="Example Publisher",
            author="Example Author",
            kind=node.kind,
            available=0,
            options=json.dumps(node.options),
            sort_order=left,
            lft=left,
            rght=self._next(),
            tree_id=1,
            level=level,
            parent_id=parent.id if parent else None,
        )
        if node.file is not None:
            self._file(node, *node.file)
        if node.items:
            self._items(node)

    def _file(self, node: Node, extension: str, content: bytes) -> None:
        digest = hashlib.md5(content).hexdigest()  # Kolibri names its files so
        place = self._storage / digest[0] / digest[1]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{digest}.{extension}").write_bytes(content)
        self.insert("content_localfile", id=digest, extension=extension, available=0, file_size=len(content))
        self.insert(
            "content_file",
            id=_id(f"file:{node.key}"),
            preset=node.preset,
            supplementary=0,
            thumbnail=0,
            priority=1,
            contentnode_id=node.id,
            local_file_id=digest,
        )

    def _items(self, node: Node) -> None:
        self.insert(
            "content_assessmentmetadata",
            id=_id(f"assessment:{node.key}"),
            assessment_item_ids=json.dumps(node.item_ids),
            number_of_assessments=len(node.items),
            mastery_model=json.dumps({"type": "m_of_n", "m": 2, "n": 3}),
            randomize=0,
            is_manipulable=1,
            contentnode_id=node.id,
        )

    def _next(self) -> int:
        self._place += 1
        return self._place
