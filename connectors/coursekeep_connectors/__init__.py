"""The connectors and course sources that come with Coursekeep, registered like a stranger's."""
