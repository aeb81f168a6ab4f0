"""Modules and their items."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc
from coursekeep_campus.replies import Reply
from coursekeep_campus.router import Routes

__all__ = ["routes"]

routes = Routes("modules")


@routes.get("courses/{course}/modules")
def modules(call: Call) -> Reply:
    """List the modules; `items` are left out where there are more of them than fit on the largest page."""
    return call.page(call.content.modules, lambda module: _module(call, module))


@routes.get("courses/{course}/modules/{module}")
def module(call: Call) -> Reply:
    """Show one module."""
    return call.reply(_module(call, call.find(call.content.modules, call.number("module"))))


def _module(call: Call, module: Doc) -> Doc:
    items = call.content.module_items.get(module["id"], [])
    if "items" not in call.includes or len(items) > call.state.options.max_per_page:
        return module
    return {**module, "items": [_item(call, item) for item in items]}


@routes.get("courses/{course}/modules/{module}/items")
def items(call: Call) -> Reply:
    """List the items of a module."""
    found = call.find(call.content.modules, call.number("module"))
    return call.page(call.content.module_items.get(found["id"], []), lambda item: _item(call, item))


@routes.get("courses/{course}/modules/{module}/items/{item}")
def item(call: Call) -> Reply:
    """Show one item."""
    found = call.content.module_items.get(call.number("module"), [])
    return call.reply(_item(call, call.find(found, call.number("item"))))


def _item(call: Call, item: Doc) -> Doc:
    if "content_details" not in call.includes:
        return {name: value for name, value in item.items() if name != "content_details"}
    return {"content_details": {}, **item}
