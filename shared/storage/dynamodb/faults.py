"""What DynamoDB's faults mean: whether one may pass by itself, and whether the service was there at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as AwsConnectionError

_AWAY: Final = (HTTPClientError, AwsConnectionError, IncompleteReadError)
_OWN_FAULTS: Final = 500
_AGAIN: Final = frozenset(
    {
        "InternalServerError",
        "LimitExceededException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ReplicatedWriteConflictException",
        "ServiceUnavailable",
        "ThrottlingError",
        "ThrottlingException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def passes(fault: Exception) -> bool:
    """Return whether the fault may pass by itself."""
    if not isinstance(fault, ClientError):
        return not isinstance(fault, BotoCoreError) or isinstance(fault, _AWAY)
    if _code(fault) != "TransactionCanceledException":
        return _code(fault) in _AGAIN or _is_services_own(fault)
    codes = {reason.get("Code") for reason in reasons(fault)} - {"None", None}
    return bool(codes) and codes <= _AGAIN


def is_busy(fault: Exception) -> bool:
    """Return whether the service answered, and only had no room, or somebody else at the same item."""
    return isinstance(fault, ClientError) and not _is_services_own(fault)


def may_have_been_done(fault: Exception) -> bool:
    """Return whether what was asked may have been done all the same."""
    if not isinstance(fault, ClientError):
        return True
    return _code(fault) in {"InternalServerError", "ServiceUnavailable", "TransactionInProgressException"}


def reasons(error: ClientError) -> list[Mapping[str, Any]]:
    """Return why a transaction was cancelled, for each of its actions."""
    return list(error.response.get("CancellationReasons") or ())


def name_of(fault: Exception) -> str:
    """Return the fault in a word or two."""
    if not isinstance(fault, ClientError):
        return type(fault).__name__
    told = {str(reason.get("Code")) for reason in reasons(fault)} - {"None"}
    return ", ".join(sorted(told)) or _code(fault)


def _is_services_own(error: ClientError) -> bool:
    status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= _OWN_FAULTS


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
