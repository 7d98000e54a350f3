"""Client of OpenAI's Batch API: half the price, answers within a day. A restart resumes the batches already submitted.

Requests are queued until none has arrived for a moment, then written into files within the service's limits and
submitted. Each batch carries our own tag as metadata and is recorded in the journal before it is submitted. If the
process crashes or the connection breaks before the service returns the batch's id, the batch is found in the service's
list by its tag, instead of being submitted and paid for twice.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Coroutine, Iterator
from typing import Any

import openai
from pydantic import SecretStr

from atom.config import ServiceConfig
from atom.errors import AtomError
from atom.llm_client.client import FormRefused, LLMClient, answer_kind, elapsed_since, is_about_form
from atom.llm_client.errors import RequestFailed, ServiceError
from atom.llm_client.journal import Journal, SpendingLimits
from atom.llm_client.prices import BATCH_DISCOUNT
from atom.llm_client.request import Answer, Request

FLUSH_DELAY = 0.5  # seconds without a new request after which the queued requests are submitted
MAX_REQUESTS, MAX_BYTES = 50_000, 190_000_000  # of one batch; the service accepts 200 MB
_ENDPOINT = "/v1/chat/completions"
_FINAL_STATUSES = {"completed", "failed", "expired", "cancelled"}


class BatchClient(LLMClient):
    """Client that submits requests in batches; `ask` returns when the batch of its request has ended."""

    def __init__(self, settings: ServiceConfig, key: SecretStr | None, journal: Journal, account: str) -> None:
        super().__init__(settings, key, journal, account)
        # Uploads and look-ups cost nothing, so the SDK may retry them.
        self._retrying_openai = self._openai.with_options(max_retries=settings.attempts)
        self._pending: dict[str, tuple[Request, asyncio.Future[Answer]]] = {}
        self._queue: list[str] = []
        self._last_arrival = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._flush_task: asyncio.Task[None] | None = None
        self._submitted: set[str] | None = None  # keys of requests in batches; None until the journal has been read

    async def _fetch(self, request: Request) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending[request.key] = (request, future)
        self._queue.append(request.key)
        self._last_arrival = time.monotonic()
        if self._flush_task is None or self._flush_task.done():
            self._flush_task = self._create_task(self._flush_when_idle())
        try:
            return await future
        finally:
            self._pending.pop(request.key, None)

    def _create_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)  # the event loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)
        return task

    async def _flush_when_idle(self) -> None:
        while self._queue:
            while (remaining := self._last_arrival + FLUSH_DELAY - time.monotonic()) > 0:
                await asyncio.sleep(remaining)
            keys, self._queue = self._queue, []
            try:
                await self._submit_new(keys)
            except Exception as error:
                self._fail(keys, error)

    async def _submit_new(self, keys: list[str]) -> None:
        """Submits the requests that are neither in a batch nor answered yet."""
        if self._submitted is None:
            self._submitted = set()
            await self._resume_batches()
        new = []
        for key in keys:
            if key not in self._pending or key in self._submitted:
                continue
            # The answer may have been collected since `ask` looked for it.
            if answer := await self._run_in_journal_thread(self.journal.find, key):
                self._resolve(key, answer)
            else:
                new.append(key)
        for file, file_keys in await asyncio.to_thread(lambda: list(self._write_files(new))):
            with file:
                await self._submit(file, file_keys)

    def _write_files(self, keys: list[str]) -> Iterator[tuple[Any, list[str]]]:
        """Yields files of request lines within the service's limits, each with the keys of its requests."""
        file, file_keys, size = tempfile.TemporaryFile(), [], 0  # noqa: SIM115 (the caller closes it)
        for key in keys:
            body = self._build_body(self._pending[key][0])
            line = json.dumps({"custom_id": key, "method": "POST", "url": _ENDPOINT, "body": body}).encode() + b"\n"
            if file_keys and (len(file_keys) == MAX_REQUESTS or size + len(line) > MAX_BYTES):
                yield file, file_keys
                file, file_keys, size = tempfile.TemporaryFile(), [], 0  # noqa: SIM115
            file.write(line)
            file_keys.append(key)
            size += len(line)
        if file_keys:
            yield file, file_keys

    async def _submit(self, file: Any, keys: list[str]) -> None:
        # The batch carries it as metadata: by it a later run finds a batch whose id it never received.
        tag = uuid.uuid4().hex
        if not await self._open_calls(tag, keys):
            self._fail(keys, self._make_budget_error())
            return
        # Before the upload: if this process dies in between, the next run asks the service for the tag.
        await self._run_in_journal_thread(self.journal.record_batch, self.account, tag, keys)
        assert self._submitted is not None
        self._submitted.update(keys)
        file.seek(0)
        try:
            uploaded = await self._retrying_openai.files.create(file=("requests.jsonl", file), purpose="batch")
            batch = await self._create_batch(uploaded.id, tag)
        except openai.APIStatusError as error:
            await self._release(tag, keys)
            self._fail(keys, self._explain_status_error(error))
            return
        except openai.OpenAIError as error:
            # The service may have accepted the batch all the same, so its record stays for the next run.
            self._fail(keys, self._make_connection_error(error))
            return
        await self._run_in_journal_thread(self.journal.record_batch, self.account, tag, keys, batch)
        self._create_task(self._collect(tag, batch, keys))

    async def _open_calls(self, tag: str, keys: list[str]) -> bool:
        """Records a call for each request if the budget covers all of them; else none, and returns False."""
        if self._limits == SpendingLimits():
            return True
        for number, key in enumerate(keys):
            expected = await self._estimate_spending(self._pending[key][0], BATCH_DISCOUNT)
            call = await self._run_in_journal_thread(
                self.journal.open_call, self.account, key, expected, self._limits, 0, f"{tag}-{key}"
            )
            if call == "spent":
                for earlier in keys[:number]:
                    await self._run_in_journal_thread(self.journal.close_call, f"{tag}-{earlier}")
                return False
        return True

    async def _create_batch(self, file_id: str, tag: str) -> str:
        """Creates a batch and returns the service's id of it.

        After an error the batch may exist or not, so the service's list is searched for the tag before each retry.
        """
        for attempt in range(self.settings.attempts):
            try:
                batch = await self._openai.batches.create(
                    input_file_id=file_id, endpoint=_ENDPOINT, completion_window="24h", metadata={"atom": tag}
                )
                return batch.id
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError):
                await asyncio.sleep(min(2**attempt, self.settings.poll_seconds))
                # A request whose answer was lost may have made the batch all the same; a second one would be paid for
                # too.
                if batch_id := await self._find_batch(tag):
                    return batch_id
        raise openai.OpenAIError(f"no batch after {self.settings.attempts} tries")

    async def _find_batch(self, tag: str) -> str | None:
        async for batch in self._retrying_openai.batches.list(limit=100):
            if (batch.metadata or {}).get("atom") == tag:
                return batch.id
        return None

    async def _resume_batches(self) -> None:
        """Collects the batches of earlier runs that are not collected yet."""
        assert self._submitted is not None
        for tag, batch, keys in await self._run_in_journal_thread(self.journal.pending_batches, self.account):
            try:
                batch = batch or await self._find_batch(tag)
            except openai.OpenAIError as error:
                raise self._make_connection_error(error) from None
            if batch is None:  # the earlier run ended before it submitted the batch
                await self._release(tag, keys)
                continue
            self._submitted.update(keys)
            self._create_task(self._collect(tag, batch, keys))

    async def _collect(self, tag: str, batch_id: str, keys: list[str]) -> None:
        """Waits for the end of a batch, stores its answers and resolves the pending requests."""
        began = time.monotonic()
        try:
            batch = await self._retrying_openai.batches.retrieve(batch_id)
            while batch.status not in _FINAL_STATUSES:
                await asyncio.sleep(self.settings.poll_seconds)
                batch = await self._retrying_openai.batches.retrieve(batch_id)
            outcomes: dict[str, Answer | Exception] = {}
            # Expired and cancelled batches have the answers that were ready by then: they are paid for, so they are
            # kept.
            for file in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await self._retrying_openai.files.content(file)
                for line in content.text.splitlines():
                    if line.strip():
                        row = json.loads(line)
                        outcomes[row["custom_id"]] = await self._record_line(row, tag, elapsed_since(began))
            errors = batch.errors.data if batch.errors and batch.errors.data else []
            reason = "; ".join(self._scrub(error.message) for error in errors[:3])
            unanswered = [key for key in keys if key not in outcomes]
            await self._release(tag, unanswered)
            reason = f": {reason}" if reason else ""
            self._fail(unanswered, RequestFailed(f"the batch is {batch.status} without an answer to it{reason}"))
            for key, outcome in outcomes.items():
                if isinstance(outcome, Answer):
                    self._resolve(key, outcome)
                else:
                    self._fail([key], outcome)
        except openai.NotFoundError:
            await self._release(tag, keys)
            self._fail(
                keys, ServiceError(f"the service does not know the batch {batch_id} any more; run again to submit it")
            )
        except openai.OpenAIError as error:
            self._fail(keys, self._make_connection_error(error))
        except Exception as error:
            self._fail(keys, error)

    async def _record_line(self, line: dict[str, Any], tag: str, latency: float) -> Answer | Exception:
        """Stores one line of an output or error file in the journal. Returns the answer, or why there is none."""
        key, response = line["custom_id"], line.get("response") or {}
        body, status = response.get("body") or {}, response.get("status_code")
        request, _ = self._pending.get(key, (None, None))
        call = f"{tag}-{key}"
        if status == 200 and body.get("choices"):
            # A batch of an earlier run may hold requests that nobody waits for in this one.
            source = request or Request(body.get("model", ""), "", ())
            answer = self._read_completion(body, source, latency, BATCH_DISCOUNT)
            stored = await self._run_in_journal_thread(self.journal.find, key)
            # An earlier run that ended while it collected this batch has booked the answer already.
            if stored and stored.raw == answer.raw:
                return stored
            await self._run_in_journal_thread(
                self.journal.add, self.account, key, answer_kind(source), source.model, answer, call
            )
            return answer
        await self._run_in_journal_thread(self.journal.close_call, call)
        message = self._scrub((body.get("error") or line.get("error") or {}).get("message", "no reason given"))
        if status == 400 and is_about_form(message):
            return FormRefused(message)
        return RequestFailed(f"answered {status} in a batch: {message}")

    async def _release(self, tag: str, keys: list[str]) -> None:
        """Closes the calls of requests without an answer, which cost nothing, and deletes the record of the batch."""
        for key in keys:
            await self._run_in_journal_thread(self.journal.close_call, f"{tag}-{key}")
        await self._run_in_journal_thread(self.journal.delete_batch, tag)
        if self._submitted is not None:
            self._submitted.difference_update(keys)

    def _resolve(self, key: str, answer: Answer) -> None:
        _, future = self._pending.get(key, (None, None))
        if future and not future.done():
            future.set_result(answer)

    def _fail(self, keys: list[str], error: Exception) -> None:
        for key in keys:
            _, future = self._pending.get(key, (None, None))
            if self._submitted is not None:
                self._submitted.discard(key)
            if future and not future.done():
                # A new exception for each request: a shared one would collect the tracebacks of all of them.
                future.set_exception(type(error)(*error.args) if isinstance(error, AtomError) else error)

    def _make_connection_error(self, error: Exception) -> ServiceError:
        return ServiceError(
            f"{self._scrub(self.settings.base_url)} can't be reached: {self._scrub(error)}; run again to collect the "
            "submitted batches, which go on there"
        )
