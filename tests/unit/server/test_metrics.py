"""What /metrics says of calls, as Prometheus reads it."""

from __future__ import annotations

from messenger_hub_server.metrics import Metrics
from messenger_hub_server.presence import Presence
from messenger_hub_server.store.memory import MemoryStore
from prometheus_client.parser import text_string_to_metric_families

from tests.fakes.clock import FakeClock


async def test_calls_are_counted_by_their_code_and_measured_by_their_rpc() -> None:
    metrics = Metrics()
    for code, seconds in (("OK", 0.001), ("OK", 0.3), ("not_found", 31.0)):
        metrics.called("Send", code, seconds)
    page = (await metrics.render(MemoryStore(), Presence(FakeClock()))).decode()
    samples = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }
    assert samples["messenger_hub_calls_total", "OK", "Send"] == 2
    assert samples["messenger_hub_calls_total", "not_found", "Send"] == 1
    buckets = {bound: samples["messenger_hub_call_seconds_bucket", bound, "Send"] for bound in ("0.001", "0.2", "0.5")}
    assert buckets == {"0.001": 1, "0.2": 1, "0.5": 2}
    assert samples["messenger_hub_call_seconds_bucket", "30.0", "Send"] == 2
    assert samples["messenger_hub_call_seconds_bucket", "+Inf", "Send"] == 3
    assert samples["messenger_hub_call_seconds_count", "Send"] == 3
    assert samples["messenger_hub_call_seconds_sum", "Send"] == 31.301
