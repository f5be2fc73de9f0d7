from __future__ import annotations

from pathlib import Path

import pytest
from messenger_hub.runtime.folder import PrivateFolder
from messenger_hub_server.errors import InvalidCredential, RateLimited, ValidationFailed
from messenger_hub_server.identity import keeping, signins
from messenger_hub_server.identity.keeping import FileKeeping
from messenger_hub_server.identity.keys import Keys
from messenger_hub_server.identity.signins import SignIns

from tests.fakes.clock import FakeClock

TOKEN = "a" * 64
HERE = "127.0.0.1"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sign_ins(tmp_path: Path, clock: FakeClock) -> SignIns:
    return SignIns(FileKeeping(PrivateFolder(tmp_path)), Keys(bytes(32)), TOKEN, clock)


async def test_a_link_ends_after_ten_minutes(sign_ins: SignIns, clock: FakeClock) -> None:
    token, expires_at_ms = await sign_ins.link()
    assert expires_at_ms == clock.now_ms() + 600_000
    clock.goes(600)
    with pytest.raises(InvalidCredential):
        await sign_ins.follow(token, "browser")


async def test_a_link_that_was_never_made_is_none(sign_ins: SignIns) -> None:
    with pytest.raises(InvalidCredential):
        await sign_ins.follow("", "browser")


async def test_a_browser_stays_signed_in_for_seven_days(sign_ins: SignIns, clock: FakeClock) -> None:
    entered, token = await sign_ins.sign_in(TOKEN, HERE, "browser")
    clock.goes(7 * 86_400 - 1)
    assert await sign_ins.signed_in(token) == entered
    clock.goes(1)
    assert await sign_ins.signed_in(token) is None and list(await sign_ins.all()) == []


async def test_guessing_is_forgiven_after_a_while(sign_ins: SignIns, clock: FakeClock) -> None:
    for _ in range(signins.TRIES_PER_MINUTE):
        with pytest.raises(InvalidCredential):
            await sign_ins.sign_in("wrong", HERE, "browser")
    with pytest.raises(RateLimited) as slowed:
        await sign_ins.sign_in(TOKEN, HERE, "browser")
    clock.goes(slowed.value.retry_after_seconds or 0)
    assert await sign_ins.sign_in(TOKEN, HERE, "browser")


async def test_of_too_many_browsers_the_oldest_is_signed_out(sign_ins: SignIns, clock: FakeClock) -> None:
    tokens = []
    for _ in range(signins.MOST_SIGN_INS + 1):
        clock.goes(60)
        tokens.append((await sign_ins.sign_in(TOKEN, HERE, "browser"))[1])
    assert [await sign_ins.signed_in(token) is not None for token in (tokens[0], tokens[1], tokens[-1])] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("length", [9, 201])
async def test_a_password_that_is_too_short_or_too_long_is_refused(sign_ins: SignIns, length: int) -> None:
    entered, _ = await sign_ins.sign_in(TOKEN, HERE, "browser")
    with pytest.raises(ValidationFailed):
        await sign_ins.set_password("x" * length, entered)
    assert not await sign_ins.has_password()


async def test_what_is_kept_is_no_secret_and_only_its_owners(sign_ins: SignIns, tmp_path: Path) -> None:
    entered, token = await sign_ins.sign_in(TOKEN, HERE, "browser")
    await sign_ins.set_password("correct horse battery", entered)
    file = tmp_path / keeping.FILE
    kept = file.read_text()
    assert token not in kept and "correct horse" not in kept and TOKEN not in kept
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_damaged_file_signs_everybody_out_and_nothing_worse(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / keeping.FILE).write_text('{"sign_ins": 7')
    again = SignIns(FileKeeping(PrivateFolder(tmp_path)), Keys(bytes(32)), TOKEN, clock)
    assert list(await again.all()) == []
    assert await again.sign_in(TOKEN, HERE, "browser")


async def test_a_disk_that_is_full_lets_nobody_stay_who_was_signed_out(
    sign_ins: SignIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, token = await sign_ins.sign_in(TOKEN, HERE, "browser")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PrivateFolder, "write_private", full)
    await sign_ins.sign_out(entered.id)
    assert await sign_ins.signed_in(token) is None
