"""Values as TOML, read back by Python's own reader."""

from __future__ import annotations

import tomllib
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursekeep_daemon.toml_text import table_text, value_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False),
    TEXTS,
    st.dates(),
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_what_is_written_is_read_back(values: dict[str, Any]) -> None:
    """Any table of texts, numbers, days, lists and tables comes back as it was: quotes, line breaks and all."""
    assert tomllib.loads(table_text("integrations.main", values)) == {"integrations": {"main": values}}


def test_a_table_reads_as_people_write_it() -> None:
    """Keys stand bare where they can, and a table of one stands in its line."""
    values = {"base_url": "https://x", "token": {"env": "T"}, "expires_on": date(2027, 1, 31), "hosts": []}

    assert table_text("integrations.main", values) == (
        '[integrations.main]\nbase_url = "https://x"\ntoken = { env = "T" }\nexpires_on = 2027-01-31\nhosts = []\n'
    )


@pytest.mark.parametrize("value", [None, [1, None], {"a": None}])
def test_nothing_cannot_be_written(value: Any) -> None:
    """TOML has no null."""
    with pytest.raises(ValueError, match="cannot hold null"):
        value_text(value)
