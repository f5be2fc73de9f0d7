"""From the contract's HTTP rules to a table: method and path → RPC and path parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from messenger_hub.v1 import rest_pb2

from messenger_hub_server.errors import MethodNotAllowed, NotFound
from messenger_hub_server.rpc.method import Audience, Binding, Method

BASE = "/api/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One binding of one RPC. `headers` are (request field, header that sets it)."""

    method: Method
    binding: Binding
    pattern: re.Pattern[str]
    headers: Sequence[tuple[str, str]]


class Routes:
    """Literal paths win over paths with parameters."""

    def __init__(self, methods: Iterable[Method]) -> None:
        """Takes the programs' RPCs that have an HTTP rule."""
        routes = [
            Route(method=m, binding=b, pattern=_pattern(b.path), headers=_headers(m))
            for m in methods
            if m.audience is Audience.PROGRAMS
            for b in m.bindings
        ]
        self._routes = sorted(routes, key=lambda route: route.binding.path.count("{"))

    @property
    def all(self) -> Sequence[Route]:
        """Every route."""
        return self._routes

    def verbs(self, path: str) -> Sequence[str]:
        """The methods that a path answers to; none when there is no such path."""
        return sorted({route.binding.verb for route in self._at(path)})

    def match(self, verb: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """Raises NotFound or MethodNotAllowed."""
        routes = self._at(path)
        for route in routes:
            found = route.pattern.fullmatch(path)
            if found and route.binding.verb == verb:
                return route, found.groupdict()
        if routes:
            raise MethodNotAllowed(self.verbs(path))
        raise NotFound

    def _at(self, path: str) -> Sequence[Route]:
        """The routes of a path: those of a literal one alone, even if a path with parameters would match too."""
        found = [route for route in self._routes if route.pattern.fullmatch(path)]
        return [route for route in found if route.binding.path == found[0].binding.path]


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{p}>[^/]+)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _headers(method: Method) -> Sequence[tuple[str, str]]:
    fields = method.request.DESCRIPTOR.fields
    found = [(field.name, field.GetOptions().Extensions[rest_pb2.param].header) for field in fields]
    return [(name, header) for name, header in found if header]
