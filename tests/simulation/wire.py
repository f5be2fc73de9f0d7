"""One stream between a desk and the hub: frames in order each way, and two ends that notice its death one by one."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_server.delivery.actions import StreamId

if TYPE_CHECKING:
    from tests.simulation.desk import Desk


@dataclass(eq=False)
class Wire:
    """`cut`: nothing enters it any more; what is still on its way may arrive. `ending`: the hub wants it to end."""

    id: StreamId
    desk: Desk
    up: deque[pb.ConnectRequest] = field(default_factory=deque)
    down: deque[pb.ConnectResponse] = field(default_factory=deque)
    hello: pb.ChannelHello = field(default_factory=pb.ChannelHello)  # the last one that arrived
    hellos: int = 0
    forgot: bool = False  # the desk has forgotten entries since it connected
    cut: bool = False
    ending: bool = False
    hub_open: bool = True
    desk_open: bool = True

    def send_up(self, frame: pb.ConnectRequest) -> None:
        if self.hub_open and not self.cut:
            self.up.append(frame)

    def send_down(self, frame: pb.ConnectResponse) -> None:
        if self.desk_open and not self.cut:
            self.down.append(frame)

    def break_off(self, dice: random.Random) -> None:
        """A suffix of what is on its way is lost, each way."""
        self.cut = True
        for frames in (self.up, self.down):
            for _ in range(dice.randrange(len(frames) + 1)):
                frames.pop()

    def close_desk(self) -> None:
        self.desk_open = False
        self.down.clear()

    def close_hub(self) -> None:
        self.hub_open = False
        self.up.clear()
