"""The Batch API: files of requests, worked through in the background."""

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

from atom.mock_service.chat_model import Chat
from atom.mock_service.errors import ApiError, bad
from atom.mock_service.settings import MockServiceSettings
from atom.mock_service.statistics import Statistics

log = logging.getLogger(__name__)

ENDPOINT = "/v1/chat/completions"
MOST_LINES, MOST_BYTES = 50_000, 200_000_000
_MOST_ERRORS = 100  # that a failed batch tells
_DAY = 24 * 3600


def listed(items: list[Any], after: str | None, limit: int, most: int) -> dict[str, Any]:
    """A page of a list, the newest first, of `limit` items that follow the one with the id `after`."""
    if not 1 <= limit <= most:
        raise bad(f"'limit' must be between 1 and {most}.", "limit", "invalid_value")
    items = items[::-1]
    if after is not None:
        place = next((place for place, item in enumerate(items) if item.id == after), None)
        if place is None:
            raise bad(f"No such object: {after}", "after", "invalid_value")
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
class File:
    """A file that was sent, or that a batch wrote."""

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


class Files:
    """Files in memory."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def add(self, name: str, purpose: str, data: bytes) -> File:
        file = File(name, purpose, data)
        self._files[file.id] = file
        return file

    def get(self, name: str) -> File:
        if name not in self._files:
            raise ApiError(404, f"No such File object: {name}", param="id")
        return self._files[name]

    def page(self, after: str | None, limit: int) -> dict[str, Any]:
        return listed(list(self._files.values()), after, limit, most=10_000)


@dataclass
class Batch:
    """A batch and how far it is; `times` holds when each state began."""

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

    def enter(self, status: str) -> None:
        self.status = status
        self.times[status] = int(time.time())

    @property
    def over(self) -> bool:
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


class Batches:
    """Batches in memory, each worked on by a task of its own."""

    def __init__(self, settings: MockServiceSettings, chat: Chat, files: Files, statistics: Statistics) -> None:
        self._settings, self._chat, self._files, self._statistics = settings, chat, files, statistics
        self._batches: dict[str, Batch] = {}
        self._work: set[asyncio.Task[None]] = set()  # a task that nobody holds may vanish

    def create(self, wanted: Any) -> Batch:
        wanted = wanted if isinstance(wanted, dict) else {}
        for name, known in (("endpoint", ENDPOINT), ("completion_window", "24h")):
            if wanted.get(name) != known:
                raise bad(f"Invalid value for '{name}': this test double knows '{known}' alone.", name, "invalid_value")
        metadata = wanted.get("metadata")
        if metadata is not None and not (
            isinstance(metadata, dict) and len(metadata) <= 16 and all(isinstance(v, str) for v in metadata.values())
        ):
            raise bad("'metadata' must be at most 16 pairs of strings.", "metadata", "invalid_type")
        try:
            file = self._files.get(str(wanted.get("input_file_id")))
        except ApiError as error:
            raise bad(str(error), "input_file_id") from None
        batch = Batch(file.id, metadata)
        self._batches[batch.id] = batch
        task = asyncio.get_running_loop().create_task(self._work_on(batch, file))
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return batch

    def get(self, name: str) -> Batch:
        if name not in self._batches:
            raise ApiError(404, f"No batch found with id '{name}'.", param="id")
        return self._batches[name]

    def cancel(self, name: str) -> Batch:
        batch = self.get(name)
        if batch.over:
            raise ApiError(409, f"Cannot cancel a batch with status '{batch.status}'.")
        batch.enter("cancelling")
        return batch

    def page(self, after: str | None, limit: int) -> dict[str, Any]:
        return listed(list(self._batches.values()), after, limit, most=100)

    async def _work_on(self, batch: Batch, file: File) -> None:
        try:
            await self._validate(batch, file)
            if batch.errors:
                batch.enter("failed")
                return
            await self._answer(batch, file)
            self._finish(batch)
        except Exception:  # a batch that never ends would tell its client nothing
            log.exception("batch %s broke off", batch.id)
            batch.errors.append(_error("server_error", "The test double failed; its own output says how.", None))
            batch.enter("failed")

    async def _validate(self, batch: Batch, file: File) -> None:
        if len(file.data) > MOST_BYTES:
            batch.errors.append(_error("file_too_large", f"The file is larger than {MOST_BYTES} bytes.", None))
            return
        ids: set[str] = set()
        for number, line in _lines(file):
            batch.total += 1
            if len(batch.errors) < _MOST_ERRORS and (error := _fault(line, ids)):
                batch.errors.append(_error(*error, number))
            await asyncio.sleep(0)
        if not batch.total:
            batch.errors.append(_error("empty_file", "The input file has no requests.", None))
        if batch.total > MOST_LINES:
            batch.errors.append(_error("too_many_requests", f"A batch has at most {MOST_LINES} requests.", None))
        await asyncio.sleep(self._settings.batch_state_seconds)

    async def _answer(self, batch: Batch, file: File) -> None:
        if batch.status == "validating":
            batch.enter("in_progress")
        began, pace = time.monotonic(), 1 / self._settings.batch_lines_per_second
        for done, (_, line) in enumerate(_lines(file), start=1):
            if batch.status == "cancelling":
                return
            await self._answer_line(batch, json.loads(line))
            await asyncio.sleep(max(0.0, began + done * pace - time.monotonic()))
        if batch.status == "in_progress":
            batch.enter("finalizing")
            await asyncio.sleep(self._settings.batch_state_seconds)

    async def _answer_line(self, batch: Batch, line: dict[str, Any]) -> None:
        try:
            status, body = 200, (await self._chat.reply(line["body"], batched=True)).completion
        except ApiError as error:
            self._statistics.refused(error.reason)
            status, body = error.status, error.body
        answer = {
            "id": f"batch_req_{uuid.uuid4().hex}",
            "custom_id": line["custom_id"],
            "response": {"status_code": status, "request_id": uuid.uuid4().hex, "body": body},
            "error": None,
        }
        (batch.answers if status == 200 else batch.failures).append(json.dumps(answer).encode() + b"\n")

    def _finish(self, batch: Batch) -> None:
        if batch.answers:
            batch.output_file_id = self._write(f"{batch.id}_output.jsonl", batch.answers)
        if batch.failures:
            batch.error_file_id = self._write(f"{batch.id}_error.jsonl", batch.failures)
        batch.enter("cancelled" if batch.status == "cancelling" else "completed")

    def _write(self, name: str, lines: list[bytes]) -> str:
        return self._files.add(name, "batch_output", b"".join(lines)).id


def _lines(file: File) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their numbers from 1; one at a time, for a file may be large."""
    return ((number, line) for number, line in enumerate(io.BytesIO(file.data), start=1) if line.strip())


def _fault(line: bytes, ids: set[str]) -> tuple[str, str, str | None] | None:
    """Code, message and parameter of what is wrong with a line; else its id is added to `ids`."""
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


def _error(code: str, message: str, param: str | None, line: int | None = None) -> dict[str, Any]:
    return {"code": code, "message": message, "param": param, "line": line}
