"""The last day as a chart: where its bars and its line stand. Pure.

Each hour has one bar of what left (sent, uncertain, failed, from below), an outline of what was accepted, and a point of how many waited.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from messenger_hub.admin.v1 import hub_admin_service_pb2 as pb

WIDTH, HEIGHT = 720, 140
GAP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A rectangle; `tone` names its colour."""

    tone: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What there is to see of one hour; the whole column tells `hour` when it is pointed at."""

    hour: pb.GetActivityResponse.Hour
    x: float
    width: float
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`top` is what the upper edge stands for; `line` the points of what waited, as SVG writes them."""

    bars: Sequence[Bar]
    line: str
    top: int
    accepted: int
    sent: int
    failed: int
    uncertain: int


def chart(hours: Sequence[pb.GetActivityResponse.Hour]) -> Chart | None:
    """None when nothing happened and nothing waits."""
    top = _round_up(max((max(h.accepted, h.sent + h.failed + h.uncertain, h.waiting) for h in hours), default=0))
    if not top:
        return None
    step, scale = WIDTH / len(hours), HEIGHT / top
    points = [(step * (place + 0.5), HEIGHT - hour.waiting * scale) for place, hour in enumerate(hours)]
    return Chart(
        bars=[_bar(hour, step * place, step, scale) for place, hour in enumerate(hours)],
        line=" ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        top=top,
        accepted=sum(hour.accepted for hour in hours),
        sent=sum(hour.sent for hour in hours),
        failed=sum(hour.failed for hour in hours),
        uncertain=sum(hour.uncertain for hour in hours),
    )


def _bar(hour: pb.GetActivityResponse.Hour, x: float, step: float, scale: float) -> Bar:
    width, base = step - GAP, float(HEIGHT)
    inner = x + GAP / 2
    pieces = [_piece("accepted", inner - 2, width + 4, base, hour.accepted * scale)]
    for tone, count in (("sent", hour.sent), ("uncertain", hour.uncertain), ("failed", hour.failed)):
        pieces.append(_piece(tone, inner, width, base, count * scale))
        base -= count * scale
    return Bar(hour=hour, x=x, width=step, pieces=[piece for piece in pieces if piece.height])


def _piece(tone: str, x: float, width: float, base: float, height: float) -> Piece:
    return Piece(tone=tone, x=round(x, 1), y=round(base - height, 1), width=round(width, 1), height=round(height, 1))


def _round_up(most: int) -> int:
    """To one digit: an edge that can be read."""
    if not most:
        return 0
    power: int = 10 ** (len(str(most)) - 1)
    return -(-most // power) * power
