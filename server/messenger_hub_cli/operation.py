"""Operations of all channels: what was accepted, and what became of it."""

from __future__ import annotations

import click
from messenger_hub.admin.v1 import operation_admin_service_pb2 as pb
from messenger_hub.v1 import operation_pb2

from messenger_hub_cli.failures import Misused
from messenger_hub_cli.messages import choices, plain
from messenger_hub_cli.output import Listing, Record, confirm
from messenger_hub_cli.running_hub import RunningHub
from messenger_hub_cli.verb import operator_verb, yes_option

STATUSES = choices(operation_pb2.DESCRIPTOR.enum_types_by_name["OperationStatus"])
DECISIONS = choices(operation_pb2.DESCRIPTOR.enum_types_by_name["Decision"])
COLUMNS = {
    "operation.operation_id": "Operation",
    "channel_name": "Channel",
    "operation.type": "Type",
    "operation.status": "Status",
    "operation.reason": "Why",
}

number_argument = click.argument("operation_id", type=click.IntRange(1), metavar="ID")


@click.group()
def operation() -> None:
    """Operations: what was accepted, and what became of it."""


@operator_verb("list", group=operation, example="messenger-hub operation list --status uncertain")
@click.option("--channel", default="", metavar="NAME", help="Only of this channel.")
@click.option("--status", type=click.Choice([*STATUSES]), help="Only with this status.")
@click.option("--reference", default="", help="Only with this reference.")
@click.option(
    "--recipient", default="", metavar="PART", help="Only to numbers or groups with this part; may take a while."
)
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="At most so many.")
async def list_operations(
    hub: RunningHub, channel: str, status: str | None, reference: str, recipient: str, limit: int
) -> Listing:
    """List operations, newest first."""
    request = pb.ListOperationsRequest(channel=channel, reference=reference, recipient=recipient, limit=limit)
    if status is not None:
        request.status = operation_pb2.OperationStatus.ValueType(STATUSES[status])
    answer = await hub.operations.ListOperations(request)
    rows = [plain(one) for one in answer.operations]
    return Listing(name="operations", rows=rows, columns=COLUMNS, empty="No operation.")


@operator_verb("show", group=operation, example="messenger-hub operation show 42")
@number_argument
async def show(hub: RunningHub, operation_id: int) -> Record:
    """Show one operation."""
    return _record((await hub.operations.GetOperation(pb.GetOperationRequest(operation_id=operation_id))).operation)


@operator_verb("cancel", group=operation, example="messenger-hub operation cancel 42 --yes")
@number_argument
@yes_option
async def cancel(hub: RunningHub, operation_id: int, yes: bool) -> Record:
    """Cancel one operation that has not started."""
    confirm(f"This cancels 1 operation, {operation_id}.", yes=yes)
    return _record(
        (await hub.operations.CancelOperation(pb.CancelOperationRequest(operation_id=operation_id))).operation
    )


@operator_verb("cancel-all", group=operation, example="messenger-hub operation cancel-all --reference spring-sale")
@click.option("--channel", default="", metavar="NAME", help="Only of this channel.")
@click.option("--reference", default="", help="Only with this reference.")
@click.option("--recipient", default="", metavar="PART", help="Only to numbers or groups with this part.")
@yes_option
async def cancel_all(hub: RunningHub, channel: str, reference: str, recipient: str, yes: bool) -> Record:
    """Cancel all operations that have not started; what comes in meanwhile is left alone. Says how many first, and asks."""
    request = pb.CancelOperationsRequest(channel=channel, reference=reference, recipient=recipient, validate_only=True)
    found = await hub.operations.CancelOperations(request)
    if not found.cancelled:
        return Record(data={"cancelled": 0}, sentence="Nothing that waits matches: nothing was cancelled.")
    confirm(f"This cancels {'more than ' if found.more else ''}{counted(found.cancelled)}.", yes=yes)
    request.validate_only, request.newest_operation_id = False, found.newest_operation_id
    cancelled, more = 0, True
    while more:
        done = await hub.operations.CancelOperations(request)
        cancelled, more = cancelled + done.cancelled, done.more
    return Record(data={"cancelled": cancelled}, sentence=f"Cancelled {counted(cancelled)}.")


def counted(count: int) -> str:
    """So many operations, in words."""
    return "1 operation" if count == 1 else f"{count:,} operations"


@operator_verb(
    "resolve", group=operation, example='messenger-hub operation resolve 42 --sent --reason "Seen on the phone"'
)
@number_argument
@click.option("--sent", "decision", flag_value="sent", help="It is in the chat.")
@click.option("--not-sent", "decision", flag_value="not_sent", help="It is not: let it fail.")
@click.option("--send-again", "decision", flag_value="send_again", help="It is not: send it as a new operation.")
@click.option("--reason", default="", help="Kept in the operation's timeline.")
async def resolve(hub: RunningHub, operation_id: int, decision: str | None, reason: str) -> Record:
    """Decide on an uncertain operation, after looking into the chat on the phone."""
    if decision is None:
        raise Misused("Say what you saw in the chat: --sent, --not-sent or --send-again.")
    chosen = operation_pb2.Decision.ValueType(DECISIONS[decision])
    request = pb.ResolveOperationRequest(operation_id=operation_id, decision=chosen, reason=reason)
    return _record((await hub.operations.ResolveOperation(request)).operation)


def _record(one: pb.AdminOperation) -> Record:
    shown = plain(one.operation)
    sentence = f"Operation {one.operation.operation_id} is {shown['status']}: {one.operation.reason}"
    return Record(data=plain(one), sentence=sentence)
