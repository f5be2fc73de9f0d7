"""What gRPC calls a fault of ours, and is none."""

from __future__ import annotations

import logging

import grpc
import pytest
from messenger_hub_server.rpc.grpc_door import GRPC_LOG, concerns_somebody


def logged(error: Exception) -> logging.LogRecord:
    """As gRPC logs what a method raised, or what came of its answer."""
    return GRPC_LOG.makeRecord(
        GRPC_LOG.name, logging.ERROR, __file__, 1, "raised", (), (type(error), error, error.__traceback__)
    )


@pytest.mark.parametrize(("error", "told"), [(grpc.aio.InternalError("gone"), False), (ValueError("a fault"), True)])
def test_an_answer_to_a_client_that_has_left_is_not_told_and_a_fault_is(error: Exception, told: bool) -> None:
    assert concerns_somebody(logged(error)) is told


def test_what_has_no_error_is_told() -> None:
    assert concerns_somebody(GRPC_LOG.makeRecord(GRPC_LOG.name, logging.ERROR, __file__, 1, "said", (), None))
