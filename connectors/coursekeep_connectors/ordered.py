"""Reading several lists of a course at once, in order; the plugin API has it."""

from coursekeep.ordered import in_order

__all__ = ["in_order"]
