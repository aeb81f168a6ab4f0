"""What may be set for a folder of packages, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coursekeep import SettingsError
from coursekeep_connectors.packages import PackagesSettings
from coursekeep_daemon.secrets import redact
from coursekeep_daemon.settings import connector_settings, load_settings


def read(tmp_path: Path, text: str) -> PackagesSettings:
    path = tmp_path / "settings.toml"
    path.write_text(f'[integrations.exports]\nconnector = "packages"\n{text}\n')
    found = connector_settings(load_settings(path), "exports", PackagesSettings)
    assert isinstance(found, PackagesSettings)
    return found


def test_prefix_of_an_object_store_has_one_spelling(tmp_path: Path) -> None:
    """`s3://` is not taken for a folder beside the settings file, and slashes too many do not make another place."""
    found = read(tmp_path, 'path = "s3://exports//lms/2024/"\ns3_endpoint = "https://s3.example.edu"')

    assert found.in_s3
    assert (found.path, found.bucket, found.prefix) == ("s3://exports/lms/2024", "exports", "lms/2024")
    assert read(tmp_path, 'path = "s3://exports"').prefix == ""


def test_credentials_come_from_files_and_are_hidden(tmp_path: Path) -> None:
    """Credentials are references as all secrets, and stand neither in the settings' text nor in what may be shown."""
    for name in ("id", "key"):
        (tmp_path / name).write_text(f"made-up {name}\n")
    found = read(
        tmp_path,
        'path = "s3://exports"\ns3_access_key_id = { file = "id" }\ns3_secret_access_key = { file = "key" }',
    )

    assert found.s3_secret_access_key is not None
    assert found.s3_secret_access_key.get_secret_value() == "made-up key"
    assert "made-up" not in repr(found)
    shown = redact({"s3_access_key_id": "made-up id", "s3_secret_access_key": "made-up key"})
    assert "made-up" not in repr(shown)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('path = "gs://exports"', "only folders and s3:// can be read"),
        ('path = "s3:///x"', "name of a bucket"),
        ('path = "s3://exports/../x"', "no `.` or `..`"),
        ('path = "exports"\ns3_region = "here"', "s3_region can be used only where path begins with s3://"),
        ('path = "s3://exports"\ns3_access_key_id = "x"', "belong together"),
        ('path = "s3://exports"\ns3_endpoint = "https://user:word@s3.example.edu"', "s3_endpoint"),
    ],
)
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str, words: Any) -> None:
    """A place of an unknown kind, half of the credentials, or S3 settings of a folder stop the start."""
    with pytest.raises(SettingsError, match=words) as caught:
        read(tmp_path, text)

    assert "user:word" not in str(caught.value)
