"""What the documents say of Moodle is what the connector asks for and takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from coursekeep import ConnectorSettings
from coursekeep_connectors.moodle import MoodleSettings
from coursekeep_connectors.moodle.needs import NEEDS
from coursekeep_connectors.moodle.sorts import APART, SORTS

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = (ROOT / "docs" / "reference" / "moodle.md").read_text(encoding="utf-8")
SOURCE = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "connectors/coursekeep_connectors/moodle").glob("*.py")
)


def test_every_function_that_is_called_is_a_need() -> None:
    """A function that the connector calls is checked, and stands in the reference; so does every capability."""
    called = set(re.findall(r'"((?:core|mod|gradereport|report)_[a-z0-9]+_(?:get|list|data)_[a-z0-9_]+)"', SOURCE))
    needed = {name for need in NEEDS for name in need.functions}

    assert called - needed == {"core_webservice_get_site_info"}
    assert needed <= called
    for name in (*needed, *(capability for need in NEEDS for capability in need.capabilities)):
        assert f"`{name}`" in REFERENCE, name


def test_every_setting_is_in_the_reference() -> None:
    """A setting of Moodle's own stands in the table with its default."""
    for name in set(MoodleSettings.model_fields) - set(ConnectorSettings.model_fields):
        assert re.search(rf"^\| `{name}` \| `", REFERENCE, re.MULTILINE), name


def test_the_how_to_shows_settings_that_are_taken() -> None:
    """The settings in the how-to are valid as they stand."""
    page = (ROOT / "docs" / "how-to" / "connect-moodle.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)

    assert len(blocks) == 2
    for block in blocks:
        table = tomllib.loads(block)["integrations"]["main"]
        made = MoodleSettings(**{**{key: value for key, value in table.items() if key != "connector"}, "token": "t"})
        assert made.base_url == "https://moodle.example.edu"


def test_every_type_is_read_or_named() -> None:
    """Every type of activity in Moodle's core, of any release, has its way of being read."""
    core = {"assign", "bigbluebuttonbn", "book", "chat", "choice", "data", "feedback", "folder", "forum", "glossary",
            "h5pactivity", "imscp", "label", "lesson", "lti", "page", "qbank", "quiz", "resource", "scorm",
            "subsection", "survey", "url", "wiki", "workshop"}  # fmt: skip

    assert core == APART | set(SORTS)
