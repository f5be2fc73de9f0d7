"""Gaps between a channel's messages. They respect the people at the other end; they are no disguise.

A gap is drawn from its range by the message's own random id, so a restart finds the same gap again.
"""

from __future__ import annotations

from messenger_hub.agent.v1 import agent_service_pb2 as pb

# Milliseconds: between messages, and before the first message to a chat that does not exist yet.
GAPS: dict[int, tuple[tuple[int, int], tuple[int, int]]] = {
    pb.PACE_OFF: ((0, 0), (0, 0)),
    pb.PACE_NORMAL: ((1_000, 3_000), (5_000, 15_000)),
    pb.PACE_CAREFUL: ((3_000, 8_000), (30_000, 90_000)),
}


def gap_ms(pace: pb.Pace.ValueType, whatsapp_id: str, *, new_chat: bool) -> int:
    """The gap before this message, counted from the channel's message before."""
    ranges = GAPS.get(pace) or GAPS[pb.PACE_NORMAL]
    low, high = ranges[1] if new_chat else ranges[0]
    return low + (high - low) * int(whatsapp_id[-4:], 16) // 0xFFFF
