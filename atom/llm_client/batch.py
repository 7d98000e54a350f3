"""Asking by OpenAI's Batch API: within a day and for half the price. A restart takes up the batches that were sent.

Requests are gathered until none has come for a moment, written into files within the service's limits and sent. Each
batch carries a tag of ours and is noted in the journal before it is sent. So one whose name we never heard, because we
crashed or the connection broke, is found again in the service's list instead of being sent and paid for twice.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from typing import Any

import openai
from pydantic import SecretStr

from atom.config import ServiceConfig
from atom.errors import AtomError
from atom.llm_client.client import FormRefused, LLMClient, answer_kind, is_about_form, since
from atom.llm_client.errors import RequestFailed, ServiceError
from atom.llm_client.journal import Journal, SpendingLimits
from atom.llm_client.prices import BATCH_DISCOUNT
from atom.llm_client.request import Answer, Request

FLUSH_DELAY = 0.5  # seconds without a new request after which those that wait are sent
MAX_REQUESTS, MAX_BYTES = 50_000, 190_000_000  # of a batch; the service takes 200 MB
_ENDPOINT = "/v1/chat/completions"
_OVER = {"completed", "failed", "expired", "cancelled"}


class BatchClient(LLMClient):
    """Requests by files; `ask` returns when the batch that holds the request is over."""

    def __init__(self, settings: ServiceConfig, key: SecretStr | None, journal: Journal, account: str) -> None:
        super().__init__(settings, key, journal, account)
        self._free = self._openai.with_options(max_retries=settings.attempts)  # for what may be asked twice: not paid
        self._waiting: dict[str, tuple[Request, asyncio.Future[Answer]]] = {}
        self._queue: list[str] = []
        self._came = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: asyncio.Task[None] | None = None
        self._under_way: set[str] | None = None  # keys in batches that were sent; None until the journal was asked

    async def _fetch(self, request: Request) -> Answer:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request.key] = (request, future)
        self._queue.append(request.key)
        self._came = time.monotonic()
        if self._sending is None or self._sending.done():
            self._sending = self._begin(self._send_when_quiet())
        try:
            return await future
        finally:
            self._waiting.pop(request.key, None)

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _send_when_quiet(self) -> None:
        while self._queue:
            while (quiet_in := self._came + FLUSH_DELAY - time.monotonic()) > 0:
                await asyncio.sleep(quiet_in)
            keys, self._queue = self._queue, []
            try:
                await self._send_those(keys)
            except Exception as error:
                self._fail(keys, error)

    async def _send_those(self, keys: list[str]) -> None:
        if self._under_way is None:
            self._under_way = set()
            await self._take_up()
        new = []
        for key in keys:
            if key not in self._waiting or key in self._under_way:
                continue
            if answer := await self._journaled(self.journal.find, key):  # collected since it was looked for
                self._tell(key, answer)
            else:
                new.append(key)
        for file, chosen in await asyncio.to_thread(lambda: list(self._files(new))):
            with file:
                await self._submit(file, chosen)

    def _files(self, keys: list[str]) -> Iterator[tuple[Any, list[str]]]:
        """Files of request lines, each within the service's limits, with the keys that are in them."""
        file, chosen, size = tempfile.TemporaryFile(), [], 0  # noqa: SIM115 (whoever sends it closes it)
        for key in keys:
            body = self._body(self._waiting[key][0])
            line = json.dumps({"custom_id": key, "method": "POST", "url": _ENDPOINT, "body": body}).encode() + b"\n"
            if chosen and (len(chosen) == MAX_REQUESTS or size + len(line) > MAX_BYTES):
                yield file, chosen
                file, chosen, size = tempfile.TemporaryFile(), [], 0  # noqa: SIM115
            file.write(line)
            chosen.append(key)
            size += len(line)
        if chosen:
            yield file, chosen

    async def _submit(self, file: Any, keys: list[str]) -> None:
        tag = uuid.uuid4().hex
        if not await self._open_calls(tag, keys):
            self._fail(keys, self._budget_spent())
            return
        await self._journaled(self.journal.record_batch, self.account, tag, keys)
        assert self._under_way is not None
        self._under_way.update(keys)
        file.seek(0)
        try:
            uploaded = await self._free.files.create(file=("requests.jsonl", file), purpose="batch")
            batch = await self._create(uploaded.id, tag)
        except openai.APIStatusError as error:
            await self._give_back(tag, keys)
            self._fail(keys, self._status_error(error))
            return
        except openai.OpenAIError as error:
            self._fail(keys, self._unreachable(error))  # it may be there all the same: the note stays
            return
        await self._journaled(self.journal.record_batch, self.account, tag, keys, batch)
        self._begin(self._collect(tag, batch, keys))

    async def _open_calls(self, tag: str, keys: list[str]) -> bool:
        """Notes the whole batch in the journal, or nothing of it if the budget can't pay for all."""
        if self._limits == SpendingLimits():
            return True
        for number, key in enumerate(keys):
            expected = await self._expected_of(self._waiting[key][0], BATCH_DISCOUNT)
            call = await self._journaled(
                self.journal.open_call, self.account, key, expected, self._limits, 0, f"{tag}-{key}"
            )
            if call == "spent":
                for earlier in keys[:number]:
                    await self._journaled(self.journal.close_call, f"{tag}-{earlier}")
                return False
        return True

    async def _create(self, file_id: str, tag: str) -> str:
        """The service's name for a new batch. A broken connection leaves open whether there is one: the list tells."""
        for attempt in range(self.settings.attempts):
            try:
                batch = await self._openai.batches.create(
                    input_file_id=file_id, endpoint=_ENDPOINT, completion_window="24h", metadata={"atom": tag}
                )
                return batch.id
            except (openai.APIConnectionError, openai.InternalServerError, openai.RateLimitError):
                await asyncio.sleep(min(2**attempt, self.settings.poll_seconds))
                if found := await self._find(tag):
                    return found
        raise openai.OpenAIError(f"no batch after {self.settings.attempts} tries")

    async def _find(self, tag: str) -> str | None:
        async for batch in self._free.batches.list(limit=100):
            if (batch.metadata or {}).get("atom") == tag:
                return batch.id
        return None

    async def _take_up(self) -> None:
        """Goes on with the batches of earlier runs that were not collected."""
        assert self._under_way is not None
        for tag, batch, keys in await self._journaled(self.journal.pending_batches, self.account):
            try:
                batch = batch or await self._find(tag)
            except openai.OpenAIError as error:
                raise self._unreachable(error) from None
            if batch is None:  # we crashed before it was sent
                await self._give_back(tag, keys)
                continue
            self._under_way.update(keys)
            self._begin(self._collect(tag, batch, keys))

    async def _collect(self, tag: str, name: str, keys: list[str]) -> None:
        """Waits until a batch is over, keeps its answers and tells those who wait."""
        began = time.monotonic()
        try:
            batch = await self._free.batches.retrieve(name)
            while batch.status not in _OVER:
                await asyncio.sleep(self.settings.poll_seconds)
                batch = await self._free.batches.retrieve(name)
            outcomes: dict[str, Answer | Exception] = {}
            for file in filter(None, (batch.output_file_id, batch.error_file_id)):
                content = await self._free.files.content(file)
                for line in content.text.splitlines():
                    if line.strip():
                        row = json.loads(line)
                        outcomes[row["custom_id"]] = await self._keep(row, tag, since(began))
            errors = batch.errors.data if batch.errors and batch.errors.data else []
            reason = "; ".join(self._scrubbed(error.message) for error in errors[:3])
            silent = [key for key in keys if key not in outcomes]
            await self._give_back(tag, silent)
            reason = f": {reason}" if reason else ""
            self._fail(silent, RequestFailed(f"the batch is {batch.status} without an answer to it{reason}"))
            for key, outcome in outcomes.items():
                if isinstance(outcome, Answer):
                    self._tell(key, outcome)
                else:
                    self._fail([key], outcome)
        except openai.NotFoundError:
            await self._give_back(tag, keys)
            self._fail(keys, ServiceError(f"the service does not know the batch {name} any more; run again to send it"))
        except openai.OpenAIError as error:
            self._fail(keys, self._unreachable(error))
        except Exception as error:
            self._fail(keys, error)

    async def _keep(self, line: dict[str, Any], tag: str, latency: float) -> Answer | Exception:
        """Journals one line of an output or error file; gives the answer, or why there is none."""
        key, response = line["custom_id"], line.get("response") or {}
        body, status = response.get("body") or {}, response.get("status_code")
        request, _ = self._waiting.get(key, (None, None))
        call = f"{tag}-{key}"
        if status == 200 and body.get("choices"):
            asked = request or Request(body.get("model", ""), "", ())
            answer = self._answer(body, asked, latency, BATCH_DISCOUNT)
            known = await self._journaled(self.journal.find, key)
            if known and known.raw == answer.raw:  # we crashed while we collected, and it is booked already
                return known
            await self._journaled(self.journal.add, self.account, key, answer_kind(asked), asked.model, answer, call)
            return answer
        await self._journaled(self.journal.close_call, call)
        said = self._scrubbed((body.get("error") or line.get("error") or {}).get("message", "no reason given"))
        if status == 400 and is_about_form(said):
            return FormRefused(said)
        return RequestFailed(f"answered {status} in a batch: {said}")

    async def _give_back(self, tag: str, keys: list[str]) -> None:
        """These were never answered, so they cost nothing and the batch is done with."""
        for key in keys:
            await self._journaled(self.journal.close_call, f"{tag}-{key}")
        await self._journaled(self.journal.delete_batch, tag)
        if self._under_way is not None:
            self._under_way.difference_update(keys)

    def _tell(self, key: str, answer: Answer) -> None:
        _, future = self._waiting.get(key, (None, None))
        if future and not future.done():
            future.set_result(answer)

    def _fail(self, keys: list[str], error: Exception) -> None:
        for key in keys:
            _, future = self._waiting.get(key, (None, None))
            if self._under_way is not None:
                self._under_way.discard(key)
            if future and not future.done():
                # Anew for each, or all who wait would add to one endless traceback.
                future.set_exception(type(error)(*error.args) if isinstance(error, AtomError) else error)

    def _unreachable(self, error: Exception) -> ServiceError:
        return ServiceError(
            f"{self._scrubbed(self.settings.base_url)} can't be reached: {self._scrubbed(error)}; run again, batches "
            "that were sent go on there and are collected then"
        )
