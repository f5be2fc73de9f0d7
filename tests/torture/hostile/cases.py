"""All kinds of hostile requests, and how often each is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from tests.torture.hostile import frames, framing, rest
from tests.torture.hostile.case import Case, Draw, Secrets, dice

WEIGHTS: Mapping[Draw, float] = {
    rest.asked: 6,
    rest.json_values: 14,
    rest.json_bytes: 11,
    rest.forms: 9,
    rest.queries: 10,
    rest.multiparts: 7,
    rest.content_types: 5,
    rest.paths: 7,
    rest.verbs: 4,
    rest.headers: 8,
    rest.preflights: 2,
    framing.request_lines: 0.8,
    framing.lengths: 0.8,
    framing.chunks: 1.2,
    framing.header_bombs: 0.6,
    framing.broken: 1.5,
    framing.pipelines: 0.5,
    framing.cut: 0.3,
    framing.foreign: 0.3,
    framing.large: 0.2,
    frames.unary: 7,
    frames.unknown: 0.8,
    frames.metadata: 0.7,
    frames.streams: 0.8,
    frames.sockets: 0.5,
}
"""In hundredths, roughly: most are REST requests on connections that stay, because they are the fastest and have the most to get wrong."""

_DRAWS = list(WEIGHTS)
_LIMITS = list(accumulate(WEIGHTS.values()))


def case(seed: str, number: int, secrets: Secrets) -> Case:
    """The case of a number: the same bytes for the same seed and secrets."""
    drawn = dice(seed, number)
    (draw,) = drawn.choices(_DRAWS, cum_weights=_LIMITS)
    return draw(drawn, number, secrets)
