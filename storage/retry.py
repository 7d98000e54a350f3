"""Retries of calls to remote storage, with exponential backoff. Errors that are not transient fail at once."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential_jitter

from storage.errors import StoreError, StoreUnreachable

log = logging.getLogger(__name__)

RETRY_TIMEOUT = 120.0  # seconds
INITIAL_WAIT, MAX_WAIT = 0.5, 15.0  # seconds
_TRANSIENT_ERRNOS = {
    errno.EBUSY,  # s3fs: 503 and SlowDown
    getattr(errno, "EREMOTEIO", errno.EIO),  # s3fs: 500
    errno.EIO,  # s3fs: any code it does not know, such as 502 and 504
    errno.ECONNRESET,
    errno.ECONNREFUSED,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EPIPE,
}
# By name, because botocore and aiohttp are optional: those of their errors that are no OSError. botocore's
# ConnectionError covers refused connections, unknown hosts and time-outs.
_TRANSIENT_ERROR_NAMES = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseParserError",
    "TimeoutError",
}

T = TypeVar("T")


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a little later: no connection, no answer in time, a 5xx, SlowDown."""
    if isinstance(error, OSError) and error.errno in _TRANSIENT_ERRNOS:
        return True
    return any(kind.__name__ in _TRANSIENT_ERROR_NAMES for kind in type(error).__mro__)


def with_retries(call: Callable[[], T], where: str, retry_timeout: float = RETRY_TIMEOUT) -> T:
    """Call a function, and call it again after growing waits while it fails with a transient error.

    Args:
        call: the function, without arguments.
        where: the address that it reads or writes, for messages.
        retry_timeout: seconds after which no further retry starts; 0 for a single attempt.

    Returns:
        The function's result.

    Raises:
        StoreUnreachable: the last error, in one line with a remedy.
        FileNotFoundError: a file does not exist (a missing bucket is StoreUnreachable).
    """
    attempts = Retrying(
        retry=retry_if_exception(is_transient),
        # Jitter, so that the workers of a stage don't all come back at the same moment.
        wait=wait_exponential_jitter(initial=INITIAL_WAIT, max=MAX_WAIT, jitter=INITIAL_WAIT),
        stop=stop_before_delay(retry_timeout),
        before_sleep=lambda state: _log_retry(state, where),
        reraise=True,
    )
    try:
        return attempts(call)
    # Says already what to do; the branches below would wrap it again.
    except StoreError:
        raise
    except FileNotFoundError as error:
        # s3fs reports a missing bucket as a missing file; only the cause tells them apart.
        if type(error.__cause__).__name__ == "NoSuchBucket":
            raise StoreUnreachable(
                f"{where}: {_describe(error)}; make the bucket or name another with --store"
            ) from error
        raise
    except Exception as error:
        if is_transient(error):
            waited = f" for {retry_timeout:.0f} s" if retry_timeout else ""
            remedy = f"no luck{waited}; check the address and the network, then run again to resume"
        else:
            remedy = "check the address, your credentials and what they allow"
        raise StoreUnreachable(f"{where}: {_describe(error)}; {remedy}") from error


def _log_retry(state: RetryCallState, where: str) -> None:
    log.warning("%s: %s; trying again in %.1f s", where, _describe(state.outcome.exception()), state.upcoming_sleep)


def _describe(error: BaseException) -> str:
    """The error's message in one line, or its class where it has none."""
    message = getattr(error, "strerror", None) or str(error)
    return " ".join(message.split()).rstrip(".") or type(error).__name__
