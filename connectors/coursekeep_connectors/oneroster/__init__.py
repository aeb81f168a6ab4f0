"""The connector for OneRoster: rosters and grades over REST, or in a zip of CSV files."""

from coursekeep_connectors.oneroster.connector import OneRosterConnector
from coursekeep_connectors.oneroster.settings import OneRosterSettings

__all__ = ["OneRosterConnector", "OneRosterSettings"]
