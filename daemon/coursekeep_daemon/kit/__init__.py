"""The kit for authors of connectors: a distribution of their own, made from a template."""

from coursekeep_daemon.kit.maker import Draft, KitError, make_connector, plan_connector

__all__ = ["Draft", "KitError", "make_connector", "plan_connector"]
