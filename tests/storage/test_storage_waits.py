"""How long a call to remote storage is retried: the waits themselves, with a clock that only sleeping moves on."""

import errno
import time

import pytest

from storage import StoreError
from storage.retry import is_transient, with_retries


@pytest.fixture
def waits(monkeypatch):
    """What was slept, in seconds; `waits.jitter` is the share of the random part that is drawn."""

    class Waits(list):
        now, jitter = 500.0, 0.0

    slept = Waits()

    def sleep(seconds):
        slept.append(seconds)
        slept.now += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: slept.now)
    monkeypatch.setattr("random.uniform", lambda low, high: low + slept.jitter * (high - low))
    return slept


def unreachable():
    raise OSError(errno.ECONNRESET, "Connection reset by peer")


def test_the_waits_double_from_half_a_second_to_fifteen_and_end_within_two_minutes(waits):
    with pytest.raises(StoreError, match="Connection reset by peer; no luck for 120 s"):
        with_retries(unreachable, "s3://bucket")
    assert list(waits) == [0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15, 15]  # one more would end after 120 seconds


def test_at_most_half_a_second_is_added_to_each_wait(waits):
    waits.jitter = 1.0
    with pytest.raises(StoreError):
        with_retries(unreachable, "s3://bucket", retry_timeout=30)
    assert list(waits) == [1.0, 1.5, 2.5, 4.5, 8.5]


def test_no_retry_starts_at_the_end_of_its_time(waits):
    for timeout, expected in ((3.5, [0.5, 1]), (3.6, [0.5, 1, 2]), (0, [])):
        waits.clear()
        with pytest.raises(StoreError):
            with_retries(unreachable, "s3://bucket", retry_timeout=timeout)
        assert list(waits) == expected


def test_a_call_that_works_again_is_not_repeated(waits):
    left = [OSError(errno.ETIMEDOUT, "timed out"), OSError(errno.EIO, "502"), None]

    def call():
        error = left.pop(0)
        if error:
            raise error
        return "content"

    assert with_retries(call, "s3://bucket") == "content" and left == [] and list(waits) == [0.5, 1]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ECONNREFUSED, "refused"), True),
        (OSError(errno.EPIPE, "broken pipe"), True),
        (OSError(errno.EACCES, "denied"), False),
        (OSError(errno.ENOSPC, "full"), False),
        (TimeoutError(), True),
        (ConnectionError(), True),
        (ValueError("wrong"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(waits, error, expected):
    assert is_transient(error) is expected

    def call():
        raise error

    with pytest.raises(StoreError):
        with_retries(call, "s3://bucket", retry_timeout=1)
    assert bool(waits) is expected
