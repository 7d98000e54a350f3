"""Calls to storage over a network: what may pass is waited out, what can't is one line at once."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_before_delay, wait_exponential_jitter

from storage.errors import StoreError, StoreUnreachable

log = logging.getLogger(__name__)

PATIENCE = 120.0  # seconds in which storage that went away may come back
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0
_PASSING_ERRNOS = {
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
# By name, since the clients are optional: those of botocore and aiohttp that are no OSError. botocore's ConnectionError
# covers refused connections, unknown hosts and time-outs.
_PASSING_NAMES = {
    "ClientConnectionError",
    "ClientPayloadError",
    "ConnectionError",
    "HTTPClientError",
    "IncompleteReadError",
    "ResponseParserError",
    "TimeoutError",
}

T = TypeVar("T")


def may_pass(error: BaseException) -> bool:
    """Whether the same call may succeed a little later: no connection, no answer in time, a 5xx, SlowDown."""
    if isinstance(error, OSError) and error.errno in _PASSING_ERRNOS:
        return True
    return any(kind.__name__ in _PASSING_NAMES for kind in type(error).__mro__)


def patiently(call: Callable[[], T], where: str, patience: float = PATIENCE) -> T:
    """The call's result, tried again with growing waits for `patience` seconds while what goes wrong may pass.

    FileNotFoundError of a file goes through as it is. Everything else ends as StoreUnreachable in one line.
    """
    attempts = Retrying(
        retry=retry_if_exception(may_pass),
        wait=wait_exponential_jitter(initial=FIRST_WAIT, max=LONGEST_WAIT, jitter=FIRST_WAIT),
        stop=stop_before_delay(patience),
        before_sleep=lambda state: _tell(state, where),
        reraise=True,
    )
    try:
        return attempts(call)
    except StoreError:
        raise
    except FileNotFoundError as error:
        if type(error.__cause__).__name__ == "NoSuchBucket":
            raise StoreUnreachable(f"{where}: {_cause(error)}; make the bucket or name another with --store") from error
        raise
    except Exception as error:
        if may_pass(error):
            waited = f" for {patience:.0f} s" if patience else ""
            remedy = f"no luck{waited}; check the address and the network, then run again to go on from here"
        else:
            remedy = "check the address, your credentials and what they allow"
        raise StoreUnreachable(f"{where}: {_cause(error)}; {remedy}") from error


def _tell(state: RetryCallState, where: str) -> None:
    log.warning("%s: %s; trying again in %.1f s", where, _cause(state.outcome.exception()), state.upcoming_sleep)


def _cause(error: BaseException) -> str:
    told = getattr(error, "strerror", None) or str(error)
    return " ".join(told.split()).rstrip(".") or type(error).__name__
