"""The failures of the contract: a status, one sentence, and its google.rpc detail; the same as every room's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc import status_pb2

from policy_torch.errors import (
    AwayError,
    CheckpointError,
    FullError,
    InputError,
    NotYetFollowingError,
    UnsupportedError,
    VersionMismatchError,
    Violation,
)

#: The `domain` of every ErrorInfo.
DOMAIN = "backsight"
#: Time in which a person may free disk space, or a supervisor start a room again, in milliseconds.
DISK_RETRY_MS, ROOM_RETRY_MS = 60_000, 1000
# Status and details travel in one HTTP/2 header block (8 KiB by convention), so words and lists are bounded.
_MESSAGE, _FIELD, _DESCRIPTION, _VIOLATIONS = 700, 120, 120, 16


@dataclass(frozen=True)
class Failure:
    """What a caller reads."""

    code: grpc.StatusCode
    message: str
    details: Sequence[Message] = ()

    def status(self, request_id: str) -> status_pb2.Status:
        """As it travels, with the id under which the log tells more."""
        packed = []
        for detail in (*self.details, details.RequestInfo(request_id=request_id)):
            box = AnyMessage()
            box.Pack(detail)
            packed.append(box)
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=packed)


def failure_of(error: Exception, name: str = "") -> Failure | None:
    """The failure that an error on purpose means; None for a bug. `name` is the checkpoint asked for."""
    match error:
        case InputError():
            return invalid_argument(error.violations)
        case UnsupportedError():
            return unimplemented(error.reason, str(error))
        case FullError():
            return _retried(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), error.retry_after_ms)
        case AwayError() | NotYetFollowingError():
            return _retried(grpc.StatusCode.UNAVAILABLE, str(error), ROOM_RETRY_MS)
        case VersionMismatchError():
            metadata = {"current_version": str(error.actual), "expected_version": str(error.expected)}
            info = details.ErrorInfo(reason="POLICY_VERSION_MISMATCH", domain=DOMAIN, metadata=metadata)
            return Failure(grpc.StatusCode.ABORTED, str(error), [info])
        case CheckpointError():
            return _checkpoint_failure(error, name)
    return None


def invalid_argument(violations: Sequence[Violation]) -> Failure:
    """The request can never be right, one violation per field."""
    told = [Violation(_cut(v.field, _FIELD), _cut(v.description, _DESCRIPTION)) for v in violations[:_VIOLATIONS]]
    sentence = _cut("; ".join(f"{v.field}: {v.description}" for v in told), _MESSAGE)
    if len(violations) > len(told):
        sentence += f"; and {len(violations) - len(told)} more"
    fields = [details.BadRequest.FieldViolation(field=v.field, description=v.description) for v in told]
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, sentence, [details.BadRequest(field_violations=fields)])


def failed_precondition(what: str, description: str) -> Failure:
    """The right request at the wrong moment; `what` is the thing whose state is not so."""
    violation = details.PreconditionFailure.Violation(
        type="STATE", subject=what, description=_cut(description, _DESCRIPTION)
    )
    told = f"{what}: {_cut(description, _MESSAGE)}"
    return Failure(grpc.StatusCode.FAILED_PRECONDITION, told, [details.PreconditionFailure(violations=[violation])])


def unimplemented(reason: str, message: str) -> Failure:
    """This engine has no such ability."""
    info = details.ErrorInfo(reason=reason, domain=DOMAIN)
    return Failure(grpc.StatusCode.UNIMPLEMENTED, _cut(message, _MESSAGE), [info])


def shutting_down(room: str) -> Failure:
    """The call outlasted the drain."""
    return _retried(grpc.StatusCode.UNAVAILABLE, f"{room} is shutting down", ROOM_RETRY_MS)


def internal(room: str, request_id: str) -> Failure:
    """A bug: the log has the cause, the caller does not."""
    told = f"{room} failed unexpectedly; its log tells why under request id {request_id}"
    return Failure(grpc.StatusCode.INTERNAL, told)


def _checkpoint_failure(error: CheckpointError, name: str) -> Failure:
    if error.reason == "missing":
        told = f'there is no checkpoint "{_cut(name, _DESCRIPTION)}"; ListCheckpoints lists those that exist'
        info = details.ResourceInfo(resource_type="checkpoint", resource_name=_cut(name, _DESCRIPTION))
        return Failure(grpc.StatusCode.NOT_FOUND, told, [info])
    if error.reason == "no-space":
        return _retried(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), DISK_RETRY_MS)
    return failed_precondition(f"checkpoint {name}", str(error))


def _retried(code: grpc.StatusCode, message: str, retry_after_ms: int) -> Failure:
    info = details.RetryInfo()
    info.retry_delay.FromMilliseconds(retry_after_ms)
    return Failure(code, _cut(message, _MESSAGE), [info])


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."
