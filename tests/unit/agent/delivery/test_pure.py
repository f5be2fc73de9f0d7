"""The agent's small decisions: gaps, proofs, and what a message's ack means."""

import pytest
from messenger_hub.agent.v1 import agent_service_pb2 as pb
from messenger_hub_agent.delivery.existence import APART_MS, FORGOTTEN_MS, Doubts
from messenger_hub_agent.delivery.pace import gap_ms
from messenger_hub_agent.delivery.work import TABLE, Happening, Leaving, Stage, Work
from messenger_hub_agent.executor import judge
from messenger_hub_agent.reconnecting import MOST_SECONDS, SETTLED_SECONDS, Backoff
from messenger_hub_agent.whatsapp.page import SeenMessage

NUMBER = "5511987654321@c.us"


@pytest.mark.parametrize(
    ("pace", "new_chat", "low", "high"),
    [
        (pb.PACE_OFF, True, 0, 0),
        (pb.PACE_NORMAL, False, 1_000, 3_000),
        (pb.PACE_NORMAL, True, 5_000, 15_000),
        (pb.PACE_CAREFUL, False, 3_000, 8_000),
        (pb.PACE_CAREFUL, True, 30_000, 90_000),
    ],
)
def test_a_gap_spans_its_documented_range(pace: pb.Pace.ValueType, new_chat: bool, low: int, high: int) -> None:
    gaps = [gap_ms(pace, f"3EB0{number:018X}", new_chat=new_chat) for number in (0, 0x7FFF, 0xFFFF)]
    assert (gaps[0], gaps[-1]) == (low, high)
    assert gaps == sorted(gaps)


def test_a_number_is_proven_absent_by_two_noes_apart_with_the_own_number_found() -> None:
    doubts = Doubts()
    assert not doubts.not_found(NUMBER, own_number_found=True, now_ms=0)
    assert not doubts.not_found(NUMBER, own_number_found=True, now_ms=APART_MS - 1)
    assert doubts.not_found(NUMBER, own_number_found=True, now_ms=APART_MS)


@pytest.mark.parametrize(("first", "second"), [(False, True), (True, False), (False, False)])
def test_noes_prove_nothing_while_the_own_number_is_not_found_either(first: bool, second: bool) -> None:
    doubts = Doubts()
    doubts.not_found(NUMBER, own_number_found=first, now_ms=0)
    assert not doubts.not_found(NUMBER, own_number_found=second, now_ms=APART_MS)


def test_a_yes_or_a_long_time_clears_a_doubt() -> None:
    doubts = Doubts()
    doubts.not_found(NUMBER, own_number_found=True, now_ms=0)
    doubts.found(NUMBER)
    assert not doubts.not_found(NUMBER, own_number_found=True, now_ms=APART_MS)
    assert not doubts.not_found(NUMBER, own_number_found=True, now_ms=APART_MS + FORGOTTEN_MS + 1)


@pytest.mark.parametrize(
    ("ack", "error_code", "kind", "code"),
    [
        (1, None, pb.Outcome.KIND_SENT, ""),
        (3, None, pb.Outcome.KIND_SENT, ""),
        (-1, 463, pb.Outcome.KIND_FAILED, "account_restricted"),
        (-1, 479, pb.Outcome.KIND_FAILED, "whatsapp_479"),
        (-1, None, pb.Outcome.KIND_UNCERTAIN, "whatsapp_error"),
    ],
)
def test_an_ack_is_judged_by_the_table(
    ack: int, error_code: int | None, kind: pb.Outcome.Kind.ValueType, code: str
) -> None:
    seen = SeenMessage(message_id="m", wa_id="w", chat=NUMBER, ack=ack, error_code=error_code)
    assert (judge(seen).kind, judge(seen).code) == (kind, code)


def test_a_message_that_is_absent_is_uncertain_never_failed() -> None:
    assert judge(None).kind == pb.Outcome.KIND_UNCERTAIN


def test_nothing_acts_without_a_go() -> None:
    assert [pair for pair, following in TABLE.items() if following is Stage.ACTING] == [
        (Stage.ASKING, Happening.GO),
        (Stage.ACTING, Happening.STREAM_LOST),
    ]


def test_a_stream_that_goes_before_the_answer_voids_the_intent() -> None:
    work = Work(pb.Lease(), stage=Stage.ASKING)
    assert work.happen(Happening.STREAM_LOST) is Leaving.VOID
    with pytest.raises(KeyError):
        Work(pb.Lease(), stage=Stage.CHECKING).happen(Happening.GO)


def test_waiting_for_the_hub_grows_to_a_limit_and_starts_anew_after_a_stream_that_held() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.next_seconds(0) for _ in range(10)]
    assert waits == sorted(waits)
    assert waits[-1] == MOST_SECONDS
    assert backoff.next_seconds(SETTLED_SECONDS) < waits[1]


def test_a_hub_that_was_lost_is_looked_for_within_a_share_of_how_long_it_has_been_away() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.lost_seconds(away) for away in (0, 4, 6, 40, 1_000)] == [1, 1, 1.5, 10, MOST_SECONDS]
    assert backoff.next_seconds(0) == Backoff(lambda: 1.0).next_seconds(0)
