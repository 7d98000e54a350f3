"""The Batch API from the file to the answers."""

import asyncio
import json

import openai
import pytest
from mock_clients import ask, body, client, question, value

from atom.judging.vision.questions import EventsAnswer
from atom.mock_service import FaultRates, MockServiceSettings, run_in_thread

OVER = ("completed", "failed", "cancelled")
QUICK = MockServiceSettings(batch_state_seconds=0.02)


def line(name, request, **changes):
    return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body(request), **changes}


async def send(opened, lines, **metadata):
    data = b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines)
    file = await opened.files.create(file=("requests.jsonl", data), purpose="batch")
    return await opened.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
    )


async def end_of(opened, batch):
    states = [batch.status]
    while batch.status not in OVER:
        await asyncio.sleep(0.005)
        batch = await opened.batches.retrieve(batch.id)
        states += [batch.status] if batch.status != states[-1] else []
    return batch, states


async def lines_of(opened, name):
    content = await opened.files.content(name)
    return {each["custom_id"]: each for each in map(json.loads, content.text.splitlines())}


def with_client(mock, work):
    async def run():
        async with client(mock) as opened:
            return await work(opened)

    return asyncio.run(run())


def test_a_batch_goes_through_its_states_and_answers_every_line(motions, index):
    async def work(opened):
        lines = [line(name, question(motion)) for name, motion in motions.items()]
        batch, states = await end_of(opened, await send(opened, lines, atom="tag"))
        return batch, states, await lines_of(opened, batch.output_file_id)

    settings = MockServiceSettings(batch_lines_per_second=20, batch_state_seconds=0.1)
    with run_in_thread(settings, index) as mock:
        batch, states, answers = with_client(mock, work)
        live = ask(mock, question(motions["jumps"]))
        counts = mock.statistics()
    assert states == ["validating", "in_progress", "finalizing", "completed"]
    assert batch.metadata == {"atom": "tag"} and batch.error_file_id is None and batch.errors is None
    assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (2, 2, 0)
    assert set(answers) == set(motions)
    for answer in answers.values():
        assert answer["error"] is None and answer["response"]["status_code"] == 200
        EventsAnswer.model_validate_json(answer["response"]["body"]["choices"][0]["message"]["content"])
    assert json.loads(answers["jumps"]["response"]["body"]["choices"][0]["message"]["content"]) == value(live)
    assert counts["answered"] == 3 and counts["answered_in_batches"] == 2 and counts["requests"] == 1
    assert counts["repeated"] == 1, "a live request and the same one in a batch are one request"


def test_a_client_that_comes_back_finds_its_batch_in_the_list(motions, index):
    async def send_three(opened):
        return [(await send(opened, [line("a", question(motions["jumps"]))], atom=tag)).id for tag in "xyz"]

    async def look(opened):
        every = [batch async for batch in opened.batches.list(limit=1)]
        page = await opened.batches.list(after=every[0].id, limit=1)
        files = [file async for file in opened.files.list()]
        return every, page, files

    with run_in_thread(QUICK, index) as mock:
        sent = with_client(mock, send_three)
        every, page, files = with_client(mock, look)
    assert [(batch.id, batch.metadata["atom"]) for batch in every] == list(zip(reversed(sent), "zyx"))
    assert [batch.id for batch in page.data] == [sent[1]] and page.has_more
    assert {every[0].input_file_id} <= {file.id for file in files if file.purpose == "batch"}


BAD_LINES = {
    "invalid_json_line": (b"{\n", None),
    "duplicate_custom_id": ({}, "custom_id"),
    "invalid_url": ({"custom_id": "b", "url": "/v1/embeddings"}, "url"),
    "invalid_method": ({"custom_id": "b", "method": "GET"}, "method"),
    "missing_required_parameter": ({"custom_id": "b", "body": None}, "body"),
}


@pytest.mark.parametrize("code", BAD_LINES)
def test_a_bad_line_fails_the_whole_batch(motions, index, code):
    change, param = BAD_LINES[code]
    good = line("a", question(motions["jumps"]))

    async def work(opened):
        batch = await send(opened, [good, change if isinstance(change, bytes) else good | change])
        return (await end_of(opened, batch))[0]

    with run_in_thread(QUICK, index) as mock:
        batch = with_client(mock, work)
        assert mock.statistics()["answered"] == 0
    (error,) = batch.errors.data
    assert batch.status == "failed" and batch.output_file_id is None
    assert (error.code, error.param, error.line) == (code, param, 2)


def test_too_many_lines_and_none_at_all(index):
    async def work(opened):
        bodies = [
            {"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": {}} for n in range(50_001)
        ]
        return [(await end_of(opened, await send(opened, lines)))[0] for lines in (bodies, [b"\n"])]

    with run_in_thread(QUICK, index) as mock:
        many, none = with_client(mock, work)
    assert [error.code for error in many.errors.data] == ["too_many_requests"]
    assert [error.code for error in none.errors.data] == ["empty_file"]


def test_lines_that_fail_are_in_the_error_file(motions, index):
    async def work(opened):
        wrong = {"custom_id": "wrong", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}
        batch, _ = await end_of(opened, await send(opened, [line("a", question(motions["jumps"])), wrong]))
        return batch, await lines_of(opened, batch.error_file_id)

    faults = FaultRates(rate_limit=1, server_error=1, stall=1, cut=1)
    with run_in_thread(QUICK.model_copy(update={"faults": faults}), index) as mock:
        batch, failures = with_client(mock, work)
    assert batch.status == "completed" and batch.output_file_id is None and batch.request_counts.failed == 2
    assert failures["a"]["response"]["status_code"] == 500 and failures["a"]["error"] is None
    assert failures["a"]["response"]["body"]["error"]["type"] == "server_error"
    assert failures["wrong"]["response"]["status_code"] == 400


def test_refusals_are_answers_in_a_batch_too(motions, index):
    async def work(opened):
        batch, _ = await end_of(opened, await send(opened, [line("a", question(motions["jumps"]))]))
        return await lines_of(opened, batch.output_file_id)

    with run_in_thread(QUICK.model_copy(update={"faults": FaultRates(refusal=1)}), index) as mock:
        answers = with_client(mock, work)
    assert answers["a"]["response"]["body"]["choices"][0]["message"]["refusal"]


def test_a_cancelled_batch_keeps_what_it_has(motions, index):
    async def work(opened):
        lines = [line(str(number), question(motions["jumps"])) for number in range(200)]
        batch = await send(opened, lines)
        while not batch.request_counts.completed:
            await asyncio.sleep(0.01)
            batch = await opened.batches.retrieve(batch.id)
        assert (await opened.batches.cancel(batch.id)).status == "cancelling"
        batch, _ = await end_of(opened, batch)
        with pytest.raises(openai.ConflictError):
            await opened.batches.cancel(batch.id)
        return batch, await lines_of(opened, batch.output_file_id)

    with run_in_thread(QUICK.model_copy(update={"batch_lines_per_second": 20.0}), index) as mock:
        batch, answers = with_client(mock, work)
        assert mock.statistics()["answered"] == len(answers)
    assert batch.status == "cancelled" and 0 < len(answers) == batch.request_counts.completed < 200


def test_what_a_batch_can_not_be_made_of(motions, index):
    async def work(opened):
        with pytest.raises(openai.BadRequestError, match="purpose"):
            await opened.files.create(file=("a.jsonl", b"{}"), purpose="fine-tune")
        with pytest.raises(openai.BadRequestError, match="file-none"):
            await opened.batches.create(
                input_file_id="file-none", endpoint="/v1/chat/completions", completion_window="24h"
            )
        file = await opened.files.create(file=("a.jsonl", b"{}"), purpose="batch")
        assert (await opened.files.retrieve(file.id)).bytes == 2
        with pytest.raises(openai.BadRequestError, match="endpoint"):
            await opened.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
        for missing in (opened.batches.retrieve("none"), opened.files.retrieve("none"), opened.files.content("none")):
            with pytest.raises(openai.NotFoundError):
                await missing

    with run_in_thread(QUICK, index) as mock:
        with_client(mock, work)
