"""The two machines wired together keep their promise, whatever dies between any two steps."""

from collections import Counter

from tests.simulation.world import play

RUNS = 100


def test_nothing_is_lost_sent_twice_or_out_of_order_whatever_dies() -> None:
    """Seeded runs; a failing one names its seed."""
    seen: Counter[str] = Counter()
    for seed in range(RUNS):
        try:
            seen += play(seed).seen
        except AssertionError as violation:
            raise AssertionError(f"seed {seed}: {violation}") from violation
    assert set(seen) == {
        "pending", "leased", "sent", "delivered", "read", "failed", "cancelled", "expired", "uncertain",
    }  # fmt: skip
