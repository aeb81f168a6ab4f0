"""Migrations: what a process of the release before may rely on while it still runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from coursekeep_daemon.store import migrations

VERSIONS = sorted((Path(str(migrations.__path__[0])) / "versions").glob("0*.py"))

#: what takes something away, or gives it another meaning
SHRINKING = frozenset({"drop_table", "drop_column", "rename_table", "alter_column", "batch_alter_table"})

#: migrations that contract: what each removes was not used by the release before it any more
CONTRACTING: frozenset[str] = frozenset()


def upgrade_of(path: Path) -> ast.FunctionDef:
    module = ast.parse(path.read_text(encoding="utf-8"))
    (found,) = (one for one in module.body if isinstance(one, ast.FunctionDef) and one.name == "upgrade")
    return found


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [
        (one.func.attr, one)
        for one in ast.walk(tree)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    ]


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem)
def test_a_migration_takes_nothing_from_processes_that_still_run(path: Path) -> None:
    """No migration but those named here removes or changes what is there; INSERT may leave out a new column."""
    found = calls(upgrade_of(path))
    if path.stem not in CONTRACTING:
        assert {name for name, _ in found} & SHRINKING == set(), "see docs/how-to/upgrade.md"
    for name, call in found:
        if name == "add_column":
            column = next(one for one in call.args if isinstance(one, ast.Call))
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in column.keywords}
            assert given.get("nullable") == "True" or "server_default" in given, ast.unparse(call)
