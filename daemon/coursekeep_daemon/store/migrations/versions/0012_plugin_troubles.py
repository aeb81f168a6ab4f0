"""What goes wrong in plugins of workers, for every daemon to show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("worker", sa.Column("plugin_troubles", sa.JSON(), server_default="{}", nullable=False))
