"""Slate itself, as far as the tests need it."""

from __future__ import annotations

from coursekeep_example.conformance import slate

__all__ = ["slate"]
