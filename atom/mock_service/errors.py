"""API errors in OpenAI's format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """A response with an error status. `reason` is the name under which the statistics count it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers or {})
        self.reason = reason or str(status)
        self.body: dict[str, Any] = {"error": {"message": message, "type": kind, "param": param, "code": code}}


def bad_request(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Makes the error for an invalid request.

    Args:
        message: what is wrong.
        param: name of the invalid parameter.
        code: OpenAI's code of the error.

    Returns:
        The error, with status 400.
    """
    return ApiError(400, message, param=param, code=code)
