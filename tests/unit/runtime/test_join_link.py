"""The link with which a desktop joins: what is written is read back, and anything else is refused with what to do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messenger_hub.runtime.join_link import JoinLink, NoLink

PRINT = "ab" * 32
WHOLE = f"messenger-hub://192.168.1.20:8653/join?token=mht_Abc-_1&fingerprint={PRINT}"


@given(
    token=st.text(st.characters(codec="utf-8"), min_size=1),
    fingerprint=st.sampled_from(["", PRINT]),
    address=st.sampled_from(["192.168.1.20:8653", "[fd00::1]:8653", "hub.local:443"]),
)
def test_what_is_written_is_read_back(token: str, fingerprint: str, address: str) -> None:
    link = JoinLink(address=address, token=token, fingerprint=fingerprint)
    assert JoinLink.read(f" {link}\n") == link


def test_a_fingerprint_may_be_written_with_colons() -> None:
    colons = ":".join(["AB"] * 32)
    assert JoinLink.read(WHOLE.replace(PRINT, colons)).fingerprint == PRINT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mht_a-token",
        WHOLE.replace("messenger-hub:", "https:"),
        WHOLE.replace(":8653", ""),
        WHOLE.replace(":8653", ":865300"),
        WHOLE.replace("/join", "/elsewhere"),
        WHOLE.replace("token=", "nothing="),
        WHOLE.replace("token=mht_Abc-_1", "token=one&token=two"),
        WHOLE[:-1],
        WHOLE.replace("192.168", "somebody@192.168"),
        "messenger-hub://[::1/join?token=x",
    ],
)
def test_anything_else_is_refused_with_what_to_do(text: str) -> None:
    with pytest.raises(NoLink, match="messenger-hub agent enrol"):
        JoinLink.read(text)


def test_the_token_is_not_in_what_is_logged() -> None:
    assert "mht_Abc" not in repr(JoinLink.read(WHOLE))
