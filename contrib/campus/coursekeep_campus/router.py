"""Finds the handler of a path by walking a tree of its segments: cheaper than trying patterns one after another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from coursekeep_campus.replies import Reply

if TYPE_CHECKING:
    from coursekeep_campus.call import Call

__all__ = ["Handler", "Route", "Routes", "Tree"]

Handler = Callable[["Call"], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path, with how its answers may be treated."""

    method: str
    path: str
    handler: Handler
    #: the part that a course can switch off, for example `pages`
    part: str | None = None
    #: the answer depends on nothing but the request and the campus, so that it may be kept
    keep: bool = True
    #: answered without a token
    open: bool = False

    @property
    def inside_course(self) -> bool:
        """Tell whether the path reads something inside a course, which a scoped token may not."""
        return self.path.startswith("courses/{course}/") or not self.path.startswith(("courses", "accounts", "users"))


class Routes:
    """Collects the routes of one module, through decorators."""

    def __init__(self, part: str | None = None) -> None:
        self.routes: list[Route] = []
        self._part = part

    def get(self, path: str, *, keep: bool = True, part: str | None = None) -> Callable[[Handler], Handler]:
        """Register a handler for GET. `{name}` in the path stands for one segment."""
        return self.add("GET", path, keep=keep, part=part)

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """Register a handler for POST."""
        return self.add("POST", path, keep=False)

    def add(
        self, method: str, path: str, *, keep: bool = True, part: str | None = None, public: bool = False
    ) -> Callable[[Handler], Handler]:
        """Register a handler."""

        def register(handler: Handler) -> Handler:
            self.routes.append(Route(method, path, handler, part or self._part, keep, public))
            return handler

        return register


@dataclass(slots=True)
class _Node:
    fixed: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    name: str = ""
    routes: dict[str, Route] = field(default_factory=dict)


class Tree:
    """All routes below `/api/v1`."""

    def __init__(self, tables: Sequence[Routes]) -> None:
        self._root = _Node()
        for table in tables:
            for route in table.routes:
                self._plant(route)

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """Find the route of a path as it came in (still percent-encoded), and its variables, decoded."""
        names: dict[str, str] = {}
        node = self._walk(self._root, raw_path.strip("/").split("/"), 0, names)
        route = node.routes.get(method) if node else None
        return (route, names) if route else None

    def _plant(self, route: Route) -> None:
        node = self._root
        for segment in route.path.split("/"):
            if segment.startswith("{"):
                node.variable = node.variable or _Node(name=segment[1:-1])
                if node.variable.name != segment[1:-1]:
                    raise ValueError(f"{route.path}: {segment} is called {node.variable.name} in another route")
                node = node.variable
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.path} is registered twice")
        node.routes[route.method] = route

    def _walk(self, node: _Node, segments: list[str], at: int, names: dict[str, str]) -> _Node | None:
        if at == len(segments):
            return node if node.routes else None
        fixed = node.fixed.get(segments[at])
        found = self._walk(fixed, segments, at + 1, names) if fixed else None
        if found is None and node.variable is not None and segments[at]:
            found = self._walk(node.variable, segments, at + 1, names)
            if found is not None:
                names[node.variable.name] = unquote(segments[at])
        return found
