"""What /metrics says, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping

from messenger_hub_server.metrics import Metrics
from messenger_hub_server.model import ChannelId, LinkState, OperationState
from messenger_hub_server.readings import ChannelReadings, Readings
from messenger_hub_server.reports import LinkReport
from messenger_hub_server.services.explanation import ChannelState
from prometheus_client.parser import text_string_to_metric_families

IDLE = ChannelReadings(id=ChannelId(7), state=ChannelState.LINKED, pending=0, oldest_seconds=0, uncertain=0)


def samples(metrics: Metrics, *channels: ChannelReadings) -> Mapping[tuple[str, ...], float]:
    """Series → value; a series is its name and the values of its labels by their names."""
    operations = {OperationState.PENDING: 3}
    readings = Readings(
        operations=operations, channels=channels, agents_connected=2, commit_callers=5, disk=(1_000, 400)
    )
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render(readings).decode())
        for sample in family.samples
    }


def test_calls_are_counted_by_their_code_and_measured_by_their_rpc() -> None:
    metrics = Metrics()
    for code, seconds in (("OK", 0.001), ("OK", 0.3), ("not_found", 31.0)):
        metrics.called("Send", code, seconds)
    told = samples(metrics)
    assert told["messenger_hub_calls_total", "OK", "Send"] == 2
    assert told["messenger_hub_calls_total", "not_found", "Send"] == 1
    buckets = {bound: told["messenger_hub_call_seconds_bucket", bound, "Send"] for bound in ("0.001", "0.2", "0.5")}
    assert buckets == {"0.001": 1, "0.2": 1, "0.5": 2}
    assert told["messenger_hub_call_seconds_bucket", "30.0", "Send"] == 2
    assert told["messenger_hub_call_seconds_bucket", "+Inf", "Send"] == 3
    assert told["messenger_hub_call_seconds_count", "Send"] == 3
    assert told["messenger_hub_call_seconds_sum", "Send"] == 31.301


def test_the_hubs_gauges_are_those_that_were_read() -> None:
    told = samples(Metrics())
    assert told["messenger_hub_operations", "pending"] == 3
    assert told["messenger_hub_operations", "uncertain"] == 0
    assert told["messenger_hub_agents_connected",] == 2
    assert told["messenger_hub_commit_callers",] == 5
    assert (told["messenger_hub_disk_bytes",], told["messenger_hub_disk_free_bytes",]) == (1_000, 400)
    assert told["messenger_hub_info", "0.1.0"] == 1


def test_a_channel_is_in_one_state_and_in_none_of_the_others() -> None:
    told = samples(Metrics(), IDLE)
    states = {state: told["messenger_hub_channel_state", "7", state.value] for state in ChannelState}
    assert states == dict.fromkeys(ChannelState, 0) | {ChannelState.LINKED: 1}


def test_a_channel_without_work_has_numbers_too_and_none_for_what_is_not_known() -> None:
    told = samples(Metrics(), IDLE)
    names = {name for name, *labels in told if labels == ["7"]}
    assert names == {"messenger_hub_queue_depth", "messenger_hub_queue_oldest_seconds", "messenger_hub_uncertain"}


def test_a_channel_tells_of_its_queue_its_browser_and_its_last_confirmation() -> None:
    report = LinkReport(state=LinkState.LINKED, account="4930999", browser_bytes=500, browser_restarts=2)
    busy = ChannelReadings(
        id=ChannelId(7),
        state=ChannelState.LINKED,
        pending=4,
        oldest_seconds=61.5,
        uncertain=1,
        confirmed_ms=1_700_000_000_500,
        report=report,
    )
    told = samples(Metrics(), busy)
    assert {
        name.removeprefix("messenger_hub_"): value for (name, *labels), value in told.items() if labels == ["7"]
    } == {
        "queue_depth": 4,
        "queue_oldest_seconds": 61.5,
        "uncertain": 1,
        "last_confirmed_timestamp_seconds": 1_700_000_000.5,
        "browser_bytes": 500,
        "browser_restarts_total": 2,
    }
    assert not any("4930999" in label for series in told for label in series)


def test_commits_are_measured_by_their_time_and_their_writes() -> None:
    metrics = Metrics()
    told = samples(metrics)
    assert told["messenger_hub_commit_seconds_count",] == told["messenger_hub_commit_writes_count",] == 0
    metrics.committed(0.003, [], [])
    told = samples(metrics)
    assert told["messenger_hub_commit_seconds_bucket", "0.002"] == 0
    assert told["messenger_hub_commit_seconds_bucket", "0.005"] == 1
    assert (told["messenger_hub_commit_writes_sum",], told["messenger_hub_commit_writes_bucket", "1.0"]) == (0, 1)
    assert {state: told["messenger_hub_outcomes_total", state.value] for state in OperationState} == dict.fromkeys(
        OperationState, 0
    )
