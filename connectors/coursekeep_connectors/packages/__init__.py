"""The connector for folders of exported courses."""

from coursekeep_connectors.packages.connector import PackagesConnector
from coursekeep_connectors.packages.settings import PackagesSettings

__all__ = ["PackagesConnector", "PackagesSettings"]
