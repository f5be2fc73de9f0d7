"""The proxy does to a connection what its modes say, and sees when a stream works again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.e2e.whole_way.world import free_port
from tests.torture.nemesis.proxy import DataFrames, Mode, Proxy

SECONDS = 10
SOON = 0.2  # how long nothing must come


def frame(kind: int, content: bytes, flags: int = 0) -> bytes:
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + (1).to_bytes(4, "big") + content


class End:
    """One end of a connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def heard(self, count: int, seconds: float = SECONDS) -> bytes:
        async with asyncio.timeout(seconds):
            return await self.reader.readexactly(count)

    async def hears_nothing(self) -> None:
        with pytest.raises(TimeoutError):
            await self.heard(1, SOON)

    async def is_reset(self) -> None:
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await self.heard(1)


class Way:
    """A proxy before a server that hands over its connections."""

    def __init__(self, proxy: Proxy, far_port: int, accepted: asyncio.Queue[End]) -> None:
        self.proxy = proxy
        self.far_port = far_port
        self._accepted = accepted
        self._ends: list[End] = []

    async def near(self) -> End:
        end = End(*await asyncio.open_connection("127.0.0.1", self.proxy.port))
        self._ends.append(end)
        return end

    async def ends(self) -> tuple[End, End]:
        near = await self.near()
        async with asyncio.timeout(SECONDS):
            far = await self._accepted.get()
        self._ends.append(far)
        return near, far

    def close(self) -> None:
        for end in self._ends:
            end.writer.transport.abort()


@asynccontextmanager
async def way() -> AsyncIterator[Way]:
    accepted: asyncio.Queue[End] = asyncio.Queue()
    server = await asyncio.start_server(lambda reader, writer: accepted.put_nowait(End(reader, writer)), "127.0.0.1", 0)
    far_port = server.sockets[0].getsockname()[1]
    proxy = Proxy(free_port(), far_port)
    async with proxy.serving():
        found = Way(proxy, far_port, accepted)
        try:
            yield found
        finally:
            found.close()
            server.close()
            await server.wait_closed()


async def test_what_is_sent_passes_in_both_directions() -> None:
    async with way() as one:
        near, far = await one.ends()
        near.writer.write(b"to")
        far.writer.write(b"fro")
        assert (await far.heard(2), await near.heard(3)) == (b"to", b"fro")


async def test_a_cut_resets_both_ends_and_whoever_comes_meanwhile() -> None:
    async with way() as one:
        near, far = await one.ends()
        one.proxy.set(Mode.CUT)
        await near.is_reset()
        await far.is_reset()
        await (await one.near()).is_reset()
        one.proxy.heal(forgotten=True)
        near, far = await one.ends()
        near.writer.write(b"x")
        assert await far.heard(1) == b"x"


async def test_a_stall_holds_everything_and_loses_nothing() -> None:
    async with way() as one:
        near, far = await one.ends()
        one.proxy.set(Mode.STALLED)
        near.writer.write(b"held")
        await far.hears_nothing()
        one.proxy.heal(forgotten=True)
        assert await far.heard(4) == b"held"


@pytest.mark.parametrize("forgotten", [True, False])
async def test_what_is_sent_over_a_half_open_connection_vanishes_and_it_never_works_again(forgotten: bool) -> None:
    async with way() as one:
        near, far = await one.ends()
        one.proxy.set(Mode.VANISHING)
        near.writer.write(b"gone")
        await far.hears_nothing()
        one.proxy.heal(forgotten=forgotten)
        if forgotten:
            await near.is_reset()
        else:
            near.writer.write(b"gone too")
            await far.hears_nothing()
            await near.hears_nothing()
        near, far = await one.ends()
        near.writer.write(b"x")
        assert await far.heard(1) == b"x"


async def test_the_end_of_one_side_of_a_half_open_connection_is_not_heard_by_the_other() -> None:
    async with way() as one:
        near, far = await one.ends()
        one.proxy.set(Mode.VANISHING)
        far.writer.transport.abort()
        await near.hears_nothing()


async def test_a_slow_network_brings_everything_late() -> None:
    async with way() as one:
        near, far = await one.ends()
        one.proxy.set(Mode.SLOW)
        near.writer.write(b"x" * 2_000)
        assert await far.heard(2_000) == b"x" * 2_000


async def test_a_stream_works_again_with_the_first_content_from_the_server() -> None:
    async with way() as one:
        near, far = await one.ends()
        far.writer.write(frame(0, b"hello"))
        await near.heard(14)
        assert one.proxy.unbroken
        one.proxy.set(Mode.CUT)
        one.proxy.heal(forgotten=True)
        assert not one.proxy.unbroken
        assert await one.proxy.works(SOON) is None
        near, far = await one.ends()
        far.writer.write(frame(4, b"settings"))
        assert await one.proxy.works(SOON) is None
        far.writer.write(frame(0, b"hello"))
        assert await one.proxy.works(SECONDS) is not None


async def test_a_stream_that_was_only_stalled_works_at_once() -> None:
    async with way() as one:
        near, far = await one.ends()
        far.writer.write(frame(0, b"hello"))
        await near.heard(14)
        one.proxy.set(Mode.STALLED)
        one.proxy.heal(forgotten=True)
        assert await one.proxy.works(SECONDS) == 0.0


@pytest.mark.parametrize("end", [frame(1, b"trailers", flags=5), frame(3, b"\0\0\0\2")], ids=["trailers", "reset"])
async def test_a_stream_that_the_server_has_ended_does_not_work_though_its_connection_stays(end: bytes) -> None:
    async with way() as one:
        near, far = await one.ends()
        far.writer.write(frame(0, b"hello") + end)
        await near.heard(14 + len(end))
        assert not one.proxy.unbroken
        far.writer.write(frame(1, b"headers", flags=4) + frame(0, b"hello again"))
        await near.heard(16 + 20)
        assert one.proxy.unbroken


@pytest.mark.parametrize("size", [1, 2, 9, 10, 1_000])
def test_frames_are_found_however_the_stream_is_cut_into_pieces(size: int) -> None:
    stream = frame(4, b"") + frame(1, b"headers" * 20) + frame(0, b"") + frame(8, b"\0\0\0\0")
    quiet, loud = DataFrames(), DataFrames()
    pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert [quiet.feed(piece) for piece in pieces].count(True) == 0
    stream += frame(0, b"content")
    pieces = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert [loud.feed(piece) for piece in pieces].count(True) == 1


async def test_a_server_that_is_left_out_loses_its_connections_and_is_asked_when_there_is_no_other() -> None:
    async with way() as one:
        near, far = await one.ends()
        one.proxy.leave_out(one.far_port)
        await near.is_reset()
        await far.is_reset()
        near, far = await one.ends()
        near.writer.write(b"x")
        assert await far.heard(1) == b"x"


async def test_each_connection_goes_to_the_next_server_that_is_there() -> None:
    accepted: asyncio.Queue[str] = asyncio.Queue()

    def named(name: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.put_nowait(name)
            writer.transport.abort()

        return connected

    async def turn(proxy: Proxy) -> str:
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        async with asyncio.timeout(SECONDS):
            name = await accepted.get()
        writer.transport.abort()
        return name

    servers = [await asyncio.start_server(named(name), "127.0.0.1", 0) for name in "abc"]
    first, *others = [one.sockets[0].getsockname()[1] for one in servers]
    proxy = Proxy(free_port(), first, others=others)
    async with proxy.serving():
        assert [await turn(proxy) for _ in range(6)] == [*"bcabca"]
        proxy.leave_out(first)
        assert [await turn(proxy) for _ in range(4)] == [*"bcbc"]
        proxy.take_in(first)
        assert await turn(proxy) == "a"
        servers[1].close()
        await servers[1].wait_closed()
        assert [await turn(proxy) for _ in range(4)] == [*"caca"]
    for server in servers:
        server.close()
