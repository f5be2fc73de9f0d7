"""Which of the libraries that are installed the app does not require: an environment for tests holds twice as many."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name


def unrequired_modules(project: str, extras: Iterable[str]) -> list[str]:
    """The names of top-level modules that are installed, and that only distributions bring which `project` with `extras` does not
    require, neither itself nor through others. Raises PackageNotFoundError when `project` is not installed."""
    required = _required(project, extras)
    return sorted(
        module
        for module, brought_by in metadata.packages_distributions().items()
        if required.isdisjoint(canonicalize_name(name) for name in brought_by)
    )


def _required(project: str, extras: Iterable[str]) -> set[NormalizedName]:
    """The distributions, `project` among them. What is required and not installed is left out: a marker or a choice did that."""
    metadata.distribution(project)
    seen: set[tuple[NormalizedName, str]] = set()
    waiting = [(canonicalize_name(project), extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        try:
            requirements = [Requirement(line) for line in metadata.distribution(name).requires or ()]
        except metadata.PackageNotFoundError:
            continue
        waiting += [
            (canonicalize_name(one.name), wanted)
            for one in requirements
            if one.marker is None or one.marker.evaluate({"extra": extra})
            for wanted in ("", *one.extras)
        ]
    return {name for name, _ in seen}
