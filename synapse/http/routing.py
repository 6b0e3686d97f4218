"""Routing: declared paths, compiled once into a dictionary and a tree of segments.

A path without parameters is one dictionary look-up. Any other is split on `/` *before* its
segments are percent-decoded, so an encoded slash is part of a parameter, and walked down the tree;
a literal segment goes before a parameter, and a parameter is never empty (`…/state/{type}/` is a
pattern of its own).
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from synapse.api.errors import InvalidParam, Unrecognized
from synapse.http.resource import Resource
from synapse.http.response import Json

Handler: TypeAlias = Callable[..., Awaitable[Json]]

_METHODS = ("GET", "PUT", "POST", "DELETE")


class Route:
    """A resource as found through one of its paths."""

    __slots__ = ("handlers", "max_body_bytes", "name", "parameters", "path")

    def __init__(self, resource: Resource, path: str) -> None:
        self.path = path
        self.name = type(resource).__name__
        self.max_body_bytes = resource.MAX_BODY_BYTES
        self.parameters = tuple(
            segment[1:-1] for segment in path.split("/") if _is_parameter(segment)
        )
        self.handlers: dict[str, Handler] = {}
        for method in _METHODS:
            handler = getattr(resource, method.lower(), None)
            if handler is not None:
                self.handlers[method] = handler
        if "GET" in self.handlers:
            self.handlers["HEAD"] = self.handlers["GET"]

    def handler(self, method: str) -> Handler:
        """What answers `method`. Raises 405 `M_UNRECOGNIZED`."""
        handler = self.handlers.get(method)
        if handler is None:
            error = Unrecognized(405)
            error.headers["Allow"] = ", ".join([*self.handlers, "OPTIONS"])
            raise error
        return handler


class _Node:
    """The routes that share the segments so far."""

    __slots__ = ("literals", "parameter", "route")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.route: Route | None = None


class Router:
    """Finds the resource of a path."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._literals: dict[str, Route] = {}
        self._root = _Node()
        for resource in resources:
            for path in resource.PATHS:
                self._add(Route(resource, path))

    def find(self, path: str) -> tuple[Route, dict[str, str]]:
        """The route of `path`, and its parameters.

        Raises 404 `M_UNRECOGNIZED`, or 400 `M_INVALID_PARAM` if the path is not UTF-8.
        """
        route = self._literals.get(path)
        if route is not None:
            return route, {}
        segments = path.split("/")
        if "%" in path:
            segments = [_decoded(part) if "%" in part else part for part in segments]
        route, values = self._straight_to(segments)
        if route is None:
            route = _walk(self._root, segments, 0, values)
            if route is None:
                raise Unrecognized()
        return route, dict(zip(route.parameters, values, strict=True))

    def _straight_to(self, segments: list[str]) -> tuple[Route | None, list[str]]:
        """The route, if no parameter has to take a segment that is also some pattern's literal."""
        node = self._root
        values = []
        for segment in segments:
            child = node.literals.get(segment)
            if child is None:
                child = node.parameter
                if child is None or not segment:
                    return None, []
                values.append(segment)
            node = child
        return (node.route, values) if node.route is not None else (None, [])

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.path.split("/"):
            if _is_parameter(segment):
                if node.parameter is None:
                    node.parameter = _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        if node.route is not None:
            raise ValueError(f"{route.name} and {node.route.name} both claim {route.path}")
        node.route = route
        if not route.parameters:
            self._literals[route.path] = route


def _walk(node: _Node, segments: list[str], depth: int, values: list[str]) -> Route | None:
    # Recursion is bounded by the longest declared path, not by the request's.
    if depth == len(segments):
        return node.route
    segment = segments[depth]
    child = node.literals.get(segment)
    if child is not None:
        route = _walk(child, segments, depth + 1, values)
        if route is not None:
            return route
    if node.parameter is not None and segment:
        values.append(segment)
        route = _walk(node.parameter, segments, depth + 1, values)
        if route is not None:
            return route
        values.pop()
    return None


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def _decoded(segment: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise InvalidParam("The path is not UTF-8") from None
    # No identifier holds one, and PostgreSQL's TEXT can't.
    if "\0" in text:
        raise InvalidParam("The path holds a NUL")
    return text
