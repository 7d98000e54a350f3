"""The Batch API: files of requests, answered in the background."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from atom.mock_service.chat_model import ChatModel
from atom.mock_service.errors import ApiError, bad_request
from atom.mock_service.settings import MockServiceSettings
from atom.mock_service.statistics import RequestStatistics

log = logging.getLogger(__name__)

ENDPOINT = "/v1/chat/completions"
MAX_LINES, MAX_BYTES = 50_000, 200_000_000
_MAX_ERRORS = 100  # that a failed batch lists
_DAY = 24 * 3600


def paginate(items: list[Any], after: str | None, limit: int, max_limit: int) -> dict[str, Any]:
    """Builds a page of a list, newest items first.

    Args:
        items: all items, oldest first.
        after: id of the item before the page; None for the first page.
        limit: how many items the page has at most.
        max_limit: the largest limit allowed.

    Returns:
        The page in OpenAI's format.

    Raises:
        ApiError: the limit is out of range, or no item has the id `after`.
    """
    if not 1 <= limit <= max_limit:
        raise bad_request(f"'limit' must be between 1 and {max_limit}.", "limit", "invalid_value")
    items = items[::-1]
    if after is not None:
        place = next((place for place, item in enumerate(items) if item.id == after), None)
        if place is None:
            raise bad_request(f"No such object: {after}", "after", "invalid_value")
        items = items[place + 1 :]
    page = [item.to_dict() for item in items[:limit]]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > limit,
    }


@dataclass(frozen=True)
class StoredFile:
    """A file that a client uploaded or a batch wrote."""

    name: str
    purpose: str
    data: bytes
    id: str = field(default_factory=lambda: f"file-{uuid.uuid4().hex}")
    created_at: int = field(default_factory=lambda: int(time.time()))

    def to_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.data),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "processed",
            "expires_at": None,
        }


class FileStore:
    """Files in memory."""

    def __init__(self) -> None:
        self._files: dict[str, StoredFile] = {}

    def add(self, name: str, purpose: str, data: bytes) -> StoredFile:
        """Stores a file.

        Args:
            name: file name, which need not be unique.
            purpose: OpenAI's purpose of the file, such as "batch".
            data: content of the file.

        Returns:
            The file, with a new id.
        """
        file = StoredFile(name, purpose, data)
        self._files[file.id] = file
        return file

    def get(self, name: str) -> StoredFile:
        if name not in self._files:
            raise ApiError(404, f"No such File object: {name}", param="id")
        return self._files[name]

    def page(self, after: str | None, limit: int) -> dict[str, Any]:
        """Builds a page of the list; see `paginate` for the arguments."""
        return paginate(list(self._files.values()), after, limit, max_limit=10_000)


@dataclass
class BatchJob:
    """A batch and its progress. `times` holds the Unix time at which each status began."""

    input_file_id: str
    metadata: dict[str, str] | None
    id: str = field(default_factory=lambda: f"batch_{uuid.uuid4().hex}")
    status: str = "validating"
    created_at: int = field(default_factory=lambda: int(time.time()))
    times: dict[str, int] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    answers: list[bytes] = field(default_factory=list)
    failures: list[bytes] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None

    def set_status(self, status: str) -> None:
        self.status = status
        self.times[status] = int(time.time())

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def to_dict(self) -> dict[str, Any]:
        states = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": ENDPOINT,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + _DAY,
            **{f"{state}_at": self.times.get(state) for state in states},
            "request_counts": {"total": self.total, "completed": len(self.answers), "failed": len(self.failures)},
            "metadata": self.metadata,
        }


class BatchRunner:
    """Batches in memory, each processed by an asyncio task of its own."""

    def __init__(
        self, settings: MockServiceSettings, chat: ChatModel, files: FileStore, statistics: RequestStatistics
    ) -> None:
        self._settings, self._chat, self._files, self._statistics = settings, chat, files, statistics
        self._batches: dict[str, BatchJob] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop keeps only weak references

    def create(self, parameters: Any) -> BatchJob:
        parameters = parameters if isinstance(parameters, dict) else {}
        for name, supported in (("endpoint", ENDPOINT), ("completion_window", "24h")):
            if parameters.get(name) != supported:
                raise bad_request(
                    f"Invalid value for '{name}': this mock service supports only '{supported}'.", name, "invalid_value"
                )
        metadata = parameters.get("metadata")
        if metadata is not None and not (
            isinstance(metadata, dict) and len(metadata) <= 16 and all(isinstance(v, str) for v in metadata.values())
        ):
            raise bad_request("'metadata' must be at most 16 pairs of strings.", "metadata", "invalid_type")
        try:
            file = self._files.get(str(parameters.get("input_file_id")))
        except ApiError as error:
            raise bad_request(str(error), "input_file_id") from None
        batch = BatchJob(file.id, metadata)
        self._batches[batch.id] = batch
        task = asyncio.get_running_loop().create_task(self._process(batch, file))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return batch

    def get(self, name: str) -> BatchJob:
        if name not in self._batches:
            raise ApiError(404, f"No batch found with id '{name}'.", param="id")
        return self._batches[name]

    def cancel(self, name: str) -> BatchJob:
        batch = self.get(name)
        if batch.is_over:
            raise ApiError(409, f"Cannot cancel a batch with status '{batch.status}'.")
        batch.set_status("cancelling")
        return batch

    def page(self, after: str | None, limit: int) -> dict[str, Any]:
        """Builds a page of the list; see `paginate` for the arguments."""
        return paginate(list(self._batches.values()), after, limit, max_limit=100)

    async def _process(self, batch: BatchJob, file: StoredFile) -> None:
        try:
            await self._validate(batch, file)
            if batch.errors:
                batch.set_status("failed")
                return
            await self._answer(batch, file)
            self._finish(batch)
        except Exception:  # without a final status the client would poll forever
            log.exception("batch %s failed", batch.id)
            batch.errors.append(_make_error("server_error", "The mock service failed; its own output says how.", None))
            batch.set_status("failed")

    async def _validate(self, batch: BatchJob, file: StoredFile) -> None:
        if len(file.data) > MAX_BYTES:
            batch.errors.append(_make_error("file_too_large", f"The file is larger than {MAX_BYTES} bytes.", None))
            return
        ids: set[str] = set()
        for number, line in _read_lines(file):
            batch.total += 1
            if len(batch.errors) < _MAX_ERRORS and (error := _find_line_fault(line, ids)):
                batch.errors.append(_make_error(*error, number))
            await asyncio.sleep(0)
        if not batch.total:
            batch.errors.append(_make_error("empty_file", "The input file has no requests.", None))
        if batch.total > MAX_LINES:
            batch.errors.append(_make_error("too_many_requests", f"A batch has at most {MAX_LINES} requests.", None))
        await asyncio.sleep(self._settings.batch_state_seconds)

    async def _answer(self, batch: BatchJob, file: StoredFile) -> None:
        if batch.status == "validating":
            batch.set_status("in_progress")
        began, seconds_per_line = time.monotonic(), 1 / self._settings.batch_lines_per_second
        for done, (_, line) in enumerate(_read_lines(file), start=1):
            if batch.status == "cancelling":
                return
            await self._answer_line(batch, json.loads(line))
            await asyncio.sleep(max(0.0, began + done * seconds_per_line - time.monotonic()))
        if batch.status == "in_progress":
            batch.set_status("finalizing")
            await asyncio.sleep(self._settings.batch_state_seconds)

    async def _answer_line(self, batch: BatchJob, line: dict[str, Any]) -> None:
        try:
            status, body = 200, (await self._chat.reply(line["body"], batched=True)).completion
        except ApiError as error:
            self._statistics.record_refusal(error.reason)
            status, body = error.status, error.body
        answer = {
            "id": f"batch_req_{uuid.uuid4().hex}",
            "custom_id": line["custom_id"],
            "response": {"status_code": status, "request_id": uuid.uuid4().hex, "body": body},
            "error": None,
        }
        (batch.answers if status == 200 else batch.failures).append(json.dumps(answer).encode() + b"\n")

    def _finish(self, batch: BatchJob) -> None:
        if batch.answers:
            batch.output_file_id = self._write(f"{batch.id}_output.jsonl", batch.answers)
        if batch.failures:
            batch.error_file_id = self._write(f"{batch.id}_error.jsonl", batch.failures)
        batch.set_status("cancelled" if batch.status == "cancelling" else "completed")

    def _write(self, name: str, lines: list[bytes]) -> str:
        return self._files.add(name, "batch_output", b"".join(lines)).id


def _read_lines(file: StoredFile) -> Iterator[tuple[int, bytes]]:
    """Yields the number, from 1, and the content of each line that is not empty. Lazy, because files may be large."""
    return ((number, line) for number, line in enumerate(io.BytesIO(file.data), start=1) if line.strip())


def _find_line_fault(line: bytes, ids: set[str]) -> tuple[str, str, str | None] | None:
    """Returns code, message and parameter of what is wrong with a line. Without a fault, adds its id to `ids`."""
    try:
        request = json.loads(line)
    except ValueError:
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    if not isinstance(request, dict):
        return "invalid_request", "A line must be a JSON object.", None
    name = request.get("custom_id")
    if not isinstance(name, str) or not name:
        return "missing_required_parameter", "Missing required parameter: 'custom_id'.", "custom_id"
    if name in ids:
        return "duplicate_custom_id", f"The custom_id '{name}' was used before in this file.", "custom_id"
    if request.get("method") != "POST":
        return "invalid_method", "The method must be POST.", "method"
    if request.get("url") != ENDPOINT:
        return "invalid_url", f"The url must be the endpoint of the batch, {ENDPOINT}.", "url"
    if not isinstance(request.get("body"), dict):
        return "missing_required_parameter", "Missing required parameter: 'body'.", "body"
    ids.add(name)
    return None


def _make_error(code: str, message: str, param: str | None, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": param, "line": line}
