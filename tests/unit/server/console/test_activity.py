"""Where the bars and the line of the last day stand."""

from __future__ import annotations

import pytest
from messenger_hub.admin.v1.hub_admin_service_pb2 import GetActivityResponse
from messenger_hub_server.console.activity import HEIGHT, WIDTH, chart

Hour = GetActivityResponse.Hour


def test_a_day_without_anything_has_no_chart() -> None:
    assert chart([Hour() for _ in range(24)]) is None


def test_bars_are_stacked_and_as_high_as_their_counts() -> None:
    day = [Hour() for _ in range(23)] + [Hour(accepted=8, sent=4, uncertain=1, failed=2, waiting=10)]
    drawn = chart(day)
    assert drawn is not None
    assert (drawn.top, drawn.accepted, drawn.sent, drawn.failed, drawn.uncertain) == (10, 8, 4, 2, 1)
    pieces = {piece.tone: (piece.y, piece.height) for piece in drawn.bars[-1].pieces}
    unit = HEIGHT / 10
    assert pieces == {
        "accepted": (HEIGHT - 8 * unit, 8 * unit),
        "sent": (HEIGHT - 4 * unit, 4 * unit),
        "uncertain": (HEIGHT - 5 * unit, unit),
        "failed": (HEIGHT - 7 * unit, 2 * unit),
    }
    assert drawn.bars[0].pieces == []
    assert drawn.line.split()[0] == f"{WIDTH / 48:.1f},{HEIGHT:.1f}"
    assert drawn.line.endswith(",0.0")


@pytest.mark.parametrize(("most", "top"), [(1, 1), (3, 3), (11, 20), (20, 20), (21, 30), (501, 600), (99_999, 100_000)])
def test_the_upper_edge_is_a_number_that_can_be_read(most: int, top: int) -> None:
    drawn = chart([Hour(waiting=most)])
    assert drawn is not None
    assert drawn.top == top
