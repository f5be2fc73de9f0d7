"""What answers must look like, whatever was asked: the statuses of the contract, its shape of errors, and nothing accepted that it forbids."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from messenger_hub.v1 import contact_service_pb2, message_service_pb2

from tests.torture.hostile.case import Case
from tests.torture.hostile.contract import BASE, CODES, PHONE, STATUSES, TEXT, broken_promises
from tests.torture.hostile.reading import Unreadable, parameters, rule_of

PAGES = frozenset(
    {"text/html", "application/json", "text/plain", "text/css", "text/javascript", "image/svg+xml", "image/png"}
)
GRPC_REFUSALS = frozenset({
    "INVALID_ARGUMENT", "UNAUTHENTICATED", "NOT_FOUND", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED", "ABORTED", "FAILED_PRECONDITION", "ALREADY_EXISTS", "PERMISSION_DENIED", "OUT_OF_RANGE",
})  # fmt: skip
OURS = frozenset({"DEADLINE_EXCEEDED", "CANCELLED", "ENDED"})
"""What the fuzzer ends by itself: a call that goes on by design."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    version: str = "HTTP/1.1"

    @property
    def closes(self) -> bool:
        """The server ends the connection after it."""
        told = self.headers.get("connection", "").lower()
        return told == "close" or (self.version != "HTTP/1.1" and told != "keep-alive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a gRPC call ended: the name of its status, the sentence, and the bytes of the messages."""

    code: str
    sentence: str
    messages: Sequence[bytes] = ()


CONSOLE = frozenset({200, 303, 400, 401, 403, 404, 405, 413, 421})


def judge(case: Case, answer: Answer, *, first: bool = True) -> Sequence[str]:
    """Sentences about what is wrong with an answer; none when all is right. `first`: it answers the first request of the bytes."""
    told = [] if answer.status != 204 else ["204 stands in no rule"] if not case.raw.startswith(b"OPTIONS") else []
    if answer.status == 204:
        return told
    if answer.headers.get("x-frame-options") == "DENY":  # the console's, whose answers are pages
        return [] if answer.status in CONSOLE else [f"the console answered {answer.status}"]
    if answer.version == "HTTP/0.9" and answer.status != 400:
        told.append("a request without a version was answered")
    if "x-request-id" not in answer.headers:
        told.append("the answer has no X-Request-Id")
    if case.bodiless:
        return [*told, *_status(answer, None)]
    kind = answer.headers.get("content-type", "").split(";")[0]
    if kind != "application/json":
        return (
            told if answer.status == 200 and kind in PAGES else [*told, f"{answer.status} with content type {kind!r}"]
        )
    try:
        body = json.loads(answer.body)
    except ValueError:
        return [*told, f"{answer.status} whose body is no JSON"]
    if answer.status < 300:
        return [*told, *_success(case, answer, body, first=first)]
    return [*told, *_status(answer, body), *_refusal(answer.status, body)]


def _status(answer: Answer, body: Any) -> Sequence[str]:
    """The status itself: refusals of the contract, and no fault of the server's."""
    code = body.get("code") if isinstance(body, dict) else None
    if answer.status == 503 and (code == "prefetch_refused" or body is None):
        return [] if "retry-after" in answer.headers else ["503 without Retry-After"]
    if answer.status < 300 or answer.status == 401:
        return []
    if answer.status not in STATUSES:
        return [f"status {answer.status} ({code})"]
    if answer.status == 405 and not answer.headers.get("allow"):
        return ["405 without Allow"]
    return ["429 without Retry-After"] if answer.status == 429 and "retry-after" not in answer.headers else []


def _refusal(status: int, body: Any) -> Sequence[str]:
    """The shape of an error: success, message, and errors or code."""
    further = {401: None, 422: "errors"}.get(status, "code")
    members = {"success", "message", *([further] if further else [])}
    if not isinstance(body, dict) or set(body) != members:
        return [f"{status} whose members are not {', '.join(sorted(members))}"]
    if body["success"] is not False or not isinstance(body["message"], str) or not body["message"]:
        return [f"{status} without a sentence"]
    if further == "code" and body["code"] not in CODES:
        return [f"{status} with the unknown code {body['code']}"]
    if further == "errors" and not _violations(body["errors"]):
        return ["422 whose errors are no sentences by field"]
    return []


def _violations(errors: Any) -> bool:
    return (
        isinstance(errors, dict)
        and bool(errors)
        and all(
            isinstance(told, list) and told and all(isinstance(one, str) and one for one in told)
            for told in errors.values()
        )
    )


def _success(case: Case, answer: Answer, body: Any, *, first: bool) -> Sequence[str]:
    rule = rule_of(case.raw)
    if not first or (case.ends and case.kind in ("pipeline", "broken bytes")):
        # Which of the glued requests it answers is not known.
        return []
    if rule is None:
        return [] if BASE.encode() not in case.raw.partition(b"\r\n")[0] else ["a path of no rule was answered"]
    if not isinstance(body, dict) or body.get("success") is not True or not body.get("message") or "data" not in body:
        return [f"{answer.status} without success, message and data"]
    if answer.status != rule.status:
        return [f"{answer.status} instead of {rule.status}"]
    if answer.status != 201:
        return []
    try:
        return [f"accepted although {why}" for why in broken_promises(rule.rpc, parameters(case.raw), body["data"])]
    except (Unreadable, ValueError) as error:
        return [f"accepted although {error}"]


# ---- gRPC -----------------------------------------------------------------------------------------------------------------------

ACCEPTING = {
    "/messenger_hub.v1.MessageService/SendMessage": ("SendMessage", message_service_pb2.SendMessageRequest, message_service_pb2.SendMessageResponse),
    "/messenger_hub.v1.ContactService/SaveContact": ("SaveContact", contact_service_pb2.SaveContactRequest, contact_service_pb2.SaveContactResponse),
    "/messenger_hub.v1.ContactService/RemoveContact": ("RemoveContact", contact_service_pb2.RemoveContactRequest, contact_service_pb2.RemoveContactResponse),
}  # fmt: skip
PRIORITIES = {0: None, 1: "high", 2: "normal", 3: "low"}


def judge_reply(case: Case, reply: Reply) -> Sequence[str]:
    """As `judge`, for a gRPC call."""
    if reply.code in OURS:
        return []
    if reply.code == "OK":
        return _accepted(case, reply) if case.method in ACCEPTING else []
    if reply.code not in GRPC_REFUSALS:
        return [f"status {reply.code}: {reply.sentence}"]
    # gRPC's own services say NOT_FOUND without one.
    told = bool(reply.sentence) or case.method.startswith("/grpc.")
    return [] if told else [f"status {reply.code} without a sentence"]


def _accepted(case: Case, reply: Reply) -> Sequence[str]:
    rpc, request_type, response_type = ACCEPTING[case.method]
    try:
        request = request_type.FromString(case.frames[0])
    except DecodeError:
        return ["accepted although its bytes are no message"]
    given: dict[str, Any] = {field.name: _plain(value) for field, value in request.ListFields()}
    given["priority"] = PRIORITIES.get(given.get("priority", 0), "none of the contract's")
    response = response_type.FromString(reply.messages[0])
    return [
        f"accepted although {why}"
        for why in broken_promises(rpc, given, {field.name: value for field, value in response.ListFields()})
    ]


def _plain(value: Any) -> Any:
    if not isinstance(value, Timestamp):
        return value
    try:
        return value.ToDatetime().isoformat()
    except (ValueError, OverflowError):
        return "no date"


# ---- the log --------------------------------------------------------------------------------------------------------------------


def judge_log(text: str, secrets: Sequence[str]) -> Sequence[str]:
    """What must not stand in the server's log: faults, tracebacks, lines of another form, keys, phone numbers and texts."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        for why in _line(line, secrets):
            found[why] = found.get(why, 0) + 1
    return [f"{why} ({count} lines)" if count > 1 else why for why, count in found.items()]


def _line(line: str, secrets: Sequence[str]) -> Sequence[str]:
    told = [f"the log holds {what}" for what, text in (("a phone number", PHONE), ("a text", TEXT)) if text in line]
    if any(secret in line for secret in secrets):
        told.append("the log holds a key")
    try:
        entry = json.loads(line)
    except ValueError:
        return [*told, f"the log has a line that is no JSON: {line[:120]}"]
    if entry.get("level") in ("error", "critical"):
        told.append(f"the log has an error: {entry.get('event')} {entry.get('failure', '')}"[:400])
    elif "failure" in entry:
        told.append(f"the log has a traceback: {entry.get('event')} {entry['failure']}"[:400])
    return told
