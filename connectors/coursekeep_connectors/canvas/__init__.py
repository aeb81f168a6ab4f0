"""The connector for Canvas LMS."""

from coursekeep_connectors.canvas.connector import CanvasConnector
from coursekeep_connectors.canvas.settings import CanvasSettings

__all__ = ["CanvasConnector", "CanvasSettings"]
