"""The one table of errors: what went wrong → reason, gRPC status, HTTP status, sentence.

HubError
├── InvalidApiKey                      401
├── ValidationFailed                   422, with all violations
├── MalformedRequest                   400
├── NotFound                           404
├── MethodNotAllowed                   405
├── BodyTooLarge                       413
├── UriTooLong, HeadersTooLarge        414, 431
├── UnsupportedMediaType               415
├── ScopeMissing                       403
├── CursorTooOld                       400
├── Conflict                           409
│   ├── IdempotencyKeyReused
│   ├── TooLateToCancel, NotUncertain
│   ├── NameTaken
│   └── NoAgentConnected, DesktopTooOld, InProgress
├── Limited                            429, with a time to retry after
│   └── RateLimited, QuotaExceeded
├── Unavailable                        503, with a time to retry after
│   ├── StoreUnavailable, OutcomeUnknown
│   └── Stopping, PrefetchRefused, Restored
├── Internal                           500
├── LinkingTimedOut                    504
└── agents only: InvalidCredential, InvalidToken, Replaced, UnexpectedFrame

Reasons are those of messenger_hub/v1/errors.proto, statuses those of google.rpc.Code. A sentence says what to do next and never
holds a key, a phone number or a text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from google.rpc import code_pb2
from messenger_hub.v1 import errors_pb2

DOMAIN = "messenger-hub"


class HubError(Exception):
    """Something that a caller is told. `sentence` is for people; class attributes are for programs."""

    reason: ClassVar[errors_pb2.ErrorReason.ValueType] = errors_pb2.ERROR_REASON_INTERNAL
    grpc_code: ClassVar[int] = code_pb2.INTERNAL
    http_status: ClassVar[int] = 500
    programs: ClassVar[bool] = True  # False: over REST a program is never told this
    sentence: str = "Something went wrong on the hub; its log has the request id."
    retry_after_seconds: int | None = None

    def __init__(self, sentence: str | None = None) -> None:
        self.sentence = sentence or self.sentence
        super().__init__(self.sentence)

    @property
    def code(self) -> str:
        """The reason as REST prints it, for example "rate_limited"."""
        return self.word()

    @classmethod
    def word(cls) -> str:
        """As `code`, for the class."""
        return errors_pb2.ErrorReason.Name(cls.reason).removeprefix("ERROR_REASON_").lower()

    @property
    def metadata(self) -> Mapping[str, str]:
        """ErrorInfo's metadata."""
        return {}


class Internal(HubError):
    """A fault of ours."""


class InvalidApiKey(HubError):
    """The documented bytes: this sentence never changes."""

    reason = errors_pb2.ERROR_REASON_INVALID_API_KEY
    grpc_code = code_pb2.UNAUTHENTICATED
    http_status = 401
    sentence = "Invalid or inactive API key"


FUTURE = "The {} field must be a date in the future."


class ValidationFailed(HubError):
    """All problems of a request: field → sentences, in the order of the contract's fields."""

    reason = errors_pb2.ERROR_REASON_VALIDATION_FAILED
    grpc_code = code_pb2.INVALID_ARGUMENT
    http_status = 422
    sentence = "Validation failed"

    def __init__(self, violations: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self.violations = violations


class MalformedRequest(HubError):
    """The request cannot be read."""

    reason = errors_pb2.ERROR_REASON_MALFORMED_REQUEST
    grpc_code = code_pb2.INVALID_ARGUMENT
    http_status = 400
    sentence = "The request cannot be read."


class NotFound(HubError):
    """Unknown, or somebody else's: the answer is the same."""

    reason = errors_pb2.ERROR_REASON_NOT_FOUND
    grpc_code = code_pb2.NOT_FOUND
    http_status = 404
    sentence = "Not found: check the path and the id."


class MethodNotAllowed(HubError):
    """The path exists with other methods."""

    reason = errors_pb2.ERROR_REASON_METHOD_NOT_ALLOWED
    grpc_code = code_pb2.UNIMPLEMENTED
    http_status = 405
    sentence = "This path does not answer to that method; the header Allow names those that it does."

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__()
        self.allowed = allowed


class BodyTooLarge(HubError):
    """The body is over 256 KiB."""

    reason = errors_pb2.ERROR_REASON_BODY_TOO_LARGE
    grpc_code = code_pb2.RESOURCE_EXHAUSTED
    http_status = 413
    sentence = "The body is larger than 256 KiB."


class UriTooLong(HubError):
    """The request line is over 64 KiB."""

    reason = errors_pb2.ERROR_REASON_URI_TOO_LONG
    grpc_code = code_pb2.INVALID_ARGUMENT
    http_status = 414
    sentence = "The request line is too long: send the parameters in the body of a POST."


class HeadersTooLarge(HubError):
    """The headers are over 64 KiB."""

    reason = errors_pb2.ERROR_REASON_HEADERS_TOO_LARGE
    grpc_code = code_pb2.INVALID_ARGUMENT
    http_status = 431
    sentence = "The headers are too large: they may have 64 KiB."


class UnsupportedMediaType(HubError):
    """The body is of another content type."""

    reason = errors_pb2.ERROR_REASON_UNSUPPORTED_MEDIA_TYPE
    grpc_code = code_pb2.INVALID_ARGUMENT
    http_status = 415
    sentence = (
        "The body must be application/json, application/x-www-form-urlencoded or multipart/form-data: set Content-Type."
    )


class ScopeMissing(HubError):
    """The key may not do this."""

    reason = errors_pb2.ERROR_REASON_SCOPE_MISSING
    grpc_code = code_pb2.PERMISSION_DENIED
    http_status = 403
    sentence = "This key lacks the scope that the call needs; an operator can grant it."

    def __init__(self, scope: str) -> None:
        super().__init__(f"This key lacks the scope {scope}; an operator can grant it.")
        self.scope = scope

    @property
    def metadata(self) -> Mapping[str, str]:
        """The missing scope."""
        return {"scope": self.scope}


class CursorTooOld(HubError):
    """The cursor is older than what is kept."""

    reason = errors_pb2.ERROR_REASON_CURSOR_TOO_OLD
    grpc_code = code_pb2.OUT_OF_RANGE
    http_status = 400
    programs = False
    sentence = "The cursor is older than what is kept: start again without it."


class Conflict(HubError):
    """The state of things does not allow it (any more)."""

    grpc_code = code_pb2.FAILED_PRECONDITION
    http_status = 409


class IdempotencyKeyReused(Conflict):
    """Same key, other parameters."""

    reason = errors_pb2.ERROR_REASON_IDEMPOTENCY_KEY_REUSED
    grpc_code = code_pb2.ALREADY_EXISTS
    sentence = "This idempotency key was used with other parameters: use a new key for a new request."


class TooLateToCancel(Conflict):
    """Started or settled."""

    reason = errors_pb2.ERROR_REASON_TOO_LATE_TO_CANCEL
    sentence = "It is too late to cancel: the operation has started or is settled. Look it up to see how it ended."


class NotUncertain(Conflict):
    """Only an uncertain operation needs a decision."""

    reason = errors_pb2.ERROR_REASON_NOT_UNCERTAIN
    sentence = "The operation is not uncertain, so there is nothing to decide. Look it up to see where it stands."


class NameTaken(Conflict):
    """Names are unique per kind."""

    reason = errors_pb2.ERROR_REASON_NAME_TAKEN
    programs = False
    grpc_code = code_pb2.ALREADY_EXISTS

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"Another {kind} is named {name}: choose another name.")


class NoAgentConnected(Conflict):
    """Only a connected agent can do it."""

    reason = errors_pb2.ERROR_REASON_NO_AGENT_CONNECTED
    programs = False
    sentence = "The channel's desktop app is not connected: start messenger-hub agent on the desktop, then try again."


class DesktopTooOld(Conflict):
    """The desktop app is of a version that does not know what it would be asked for."""

    reason = errors_pb2.ERROR_REASON_DESKTOP_TOO_OLD
    programs = False
    sentence = "The desktop app is too old to be asked from here: update it, or run messenger-hub update wa-js on that desktop."


class InProgress(Conflict):
    """Something has started that must end first."""

    reason = errors_pb2.ERROR_REASON_IN_PROGRESS
    programs = False
    sentence = "A message is being sent right now: try again in a minute."


class Limited(HubError):
    """Over a limit of the key."""

    grpc_code = code_pb2.RESOURCE_EXHAUSTED
    http_status = 429

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class RateLimited(Limited):
    """Too many requests a minute."""

    reason = errors_pb2.ERROR_REASON_RATE_LIMITED
    sentence = "Too many requests: wait as long as Retry-After says."


class QuotaExceeded(Limited):
    """Too many operations a day."""

    reason = errors_pb2.ERROR_REASON_QUOTA_EXCEEDED
    sentence = "The key's daily quota is used up: wait as long as Retry-After says, or ask the operator for more."


class Unavailable(HubError):
    """Not now; nothing was queued unless the class says otherwise."""

    grpc_code = code_pb2.UNAVAILABLE
    http_status = 503
    retry_after_seconds = 5


class NoPicture(Unavailable):
    """A channel's page could not be pictured."""

    reason = errors_pb2.ERROR_REASON_NO_PICTURE
    programs = False
    sentence = "The desktop gave no picture of the page: try again when the channel is up."


class StoreUnavailable(Unavailable):
    """Disk full or database locked: nothing was queued."""

    reason = errors_pb2.ERROR_REASON_STORE_UNAVAILABLE
    sentence = "The hub cannot write to its database (is its disk full?): nothing was queued, try again later."


class OutcomeUnknown(Unavailable):
    """The commit failed in a way after which the row may come back."""

    reason = errors_pb2.ERROR_REASON_OUTCOME_UNKNOWN
    sentence = "Whether the request was queued cannot be known right now: repeat it with the same Idempotency-Key."


class Stopping(Unavailable):
    """The hub is stopping."""

    reason = errors_pb2.ERROR_REASON_STOPPING
    sentence = "The hub is stopping: nothing was queued, try again in a moment."


class PrefetchRefused(Unavailable):
    """A link preview must not send."""

    reason = errors_pb2.ERROR_REASON_PREFETCH_REFUSED
    sentence = "This is a prefetch, which queues nothing: open the link to send."
    retry_after_seconds = 1


class Restored(Unavailable):
    """The database was restored and the channel waits for its agent's hello."""

    reason = errors_pb2.ERROR_REASON_RESTORED
    sentence = "The hub's database was restored: start the channel's desktop app, then try again."


class LinkingTimedOut(HubError):
    """Nobody linked the channel within 10 minutes."""

    reason = errors_pb2.ERROR_REASON_LINKING_TIMED_OUT
    programs = False
    grpc_code = code_pb2.DEADLINE_EXCEEDED
    http_status = 504
    sentence = "Nobody linked the channel within 10 minutes: start again when the phone is at hand."


class InvalidCredential(HubError):
    """An agent's or operator's credential is wrong or revoked."""

    reason = errors_pb2.ERROR_REASON_INVALID_CREDENTIAL
    programs = False
    grpc_code = code_pb2.UNAUTHENTICATED
    http_status = 401
    sentence = "The credential is wrong or revoked: ask the operator for a new enrolment."


class InvalidToken(HubError):
    """An enrolment token works once, for 10 minutes."""

    reason = errors_pb2.ERROR_REASON_INVALID_TOKEN
    programs = False
    grpc_code = code_pb2.UNAUTHENTICATED
    http_status = 401
    sentence = (
        "The enrolment token is unknown, used or older than 10 minutes: make a new one with messenger-hub agent enrol."
    )


class Replaced(HubError):
    """Another stream of the same agent took over."""

    reason = errors_pb2.ERROR_REASON_REPLACED
    programs = False
    grpc_code = code_pb2.ABORTED
    http_status = 409
    sentence = "Another stream of the same agent took over: is the desktop app running twice?"


class UnexpectedFrame(HubError):
    """The agent's stream broke its own protocol."""

    reason = errors_pb2.ERROR_REASON_UNEXPECTED_FRAME
    programs = False
    grpc_code = code_pb2.INVALID_ARGUMENT
    http_status = 400
    sentence = "The stream carried a frame out of place."


def table(kind: type[HubError] = HubError) -> Sequence[type[HubError]]:
    """Every error that can be raised, in the order of this file: the classes without subclasses."""
    below = kind.__subclasses__()
    return [leaf for one in below for leaf in table(one)] if below else [kind]
