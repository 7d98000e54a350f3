"""What a request sends, what an answer costs, and how batches are cut and found again."""

import asyncio
import json

import pytest
from pydantic import BaseModel

from atom.config import ServiceConfig
from atom.llm_client import batch as batch_module
from atom.llm_client.batch import BatchClient
from atom.llm_client.journal import Journal, Spending
from atom.llm_client.live import LiveClient
from atom.llm_client.request import Request
from atom.llm_client.structured import _extract_json, _shorten

COMPLETION = {
    "model": "gpt-4o-2024-11-20",
    "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 200},
}


class Rating(BaseModel):
    score: int


@pytest.fixture
def with_client(tmp_path):
    """`with_client(LiveClient, use, token_limit="max_tokens")` gives what `use(client)` returns."""

    def call(kind, use, **settings):
        async def work():
            config = ServiceConfig(base_url="http://127.0.0.1:9/v1", **settings)
            client = kind(config, None, Journal(tmp_path / "answers.sqlite"), "test")
            try:
                found = use(client)
                return await found if asyncio.iscoroutine(found) else found
            finally:
                await client.close()

        return asyncio.run(work())

    return call


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"vote": 1}, {"user": "vote 1, refresh 0"}),
        ({"refresh": 2}, {"user": "vote 0, refresh 2"}),
        ({"temperature": 0.0}, {"temperature": 0.0}),
        ({"schema": Rating, "form": "json"}, {"response_format": {"type": "json_object"}}),
    ],
)
def test_the_body_has_what_the_request_sets_and_nothing_else(with_client, changes, expected):
    request = Request("gpt-4o", "system", ("text",), max_tokens=70, **changes)
    plain = {"model": "gpt-4o", "messages": request.messages(), "max_completion_tokens": 70}
    assert with_client(LiveClient, lambda client: client._build_body(request)) == plain | expected
    old = with_client(LiveClient, lambda client: client._build_body(request), token_limit="max_tokens")
    assert old["max_tokens"] == 70 and "max_completion_tokens" not in old


def test_an_answer_costs_its_tokens_by_the_model_that_was_asked_for(with_client):
    def read(client):
        price = client._prices["gpt-4o"]
        request = Request("gpt-4o", "s", ("t",))
        answers = [client._read_completion(COMPLETION, request, 0.5, share) for share in (1.0, 0.5)]
        unknown = client._read_completion(COMPLETION, request.with_changes(model="mine"), 0.5)
        return price, answers, unknown

    price, (full, half), unknown = with_client(LiveClient, read)
    assert full.cost == pytest.approx((1000 * price.input + 200 * price.output) / 1e6)
    assert half.cost == pytest.approx(full.cost / 2) and unknown.cost is None and unknown.tokens == 1200


def test_the_dearest_answer_so_far_is_what_the_next_is_expected_to_cost(with_client):
    request = Request("gpt-4o", "s", ("t",), max_tokens=5)

    async def spend(client):
        for tokens in (50, 400, 100):
            usage = {"prompt_tokens": tokens, "completion_tokens": 0}
            client._read_completion(COMPLETION | {"usage": usage}, request, 0.1)
        other = await client._estimate_spending(request.with_changes(schema=Rating))
        return client._prices["gpt-4o"], await client._estimate_spending(request), other

    price, found, other = with_client(LiveClient, spend)
    assert found == Spending(400, pytest.approx(400 * price.input / 1e6))
    assert other.tokens == 2 // 3 + 5


def test_a_message_of_the_service_is_one_line_of_at_most_300_characters(with_client):
    short, long = with_client(LiveClient, lambda client: (client._scrub("a\n  b"), client._scrub("x" * 301)))
    assert short == "a b" and len(long) == 300 and long.endswith("x...")
    assert with_client(LiveClient, lambda client: client._scrub("x" * 300)) == "x" * 300
    assert _shorten("x" * 120) == "x" * 120 and len(_shorten("x" * 121)) == 120


def test_the_outermost_object_is_taken_and_other_text_stays():
    assert _extract_json('say {"a": {"b": 1}} so') == '{"a": {"b": 1}}'
    assert _extract_json("}{") == "}{" and _extract_json("none") == "none" and _extract_json('{"a"') == '{"a"'


def test_a_file_of_a_batch_ends_before_its_limits(with_client, monkeypatch):
    def files(most_requests, most_bytes, number=7):
        def write(client):
            for place in range(number):
                request = Request("m", "s", (f"text {place}",))
                client._pending[f"k{place}"] = (request, None)
            found = []
            for file, keys in client._write_files([f"k{place}" for place in range(number)]):
                file.seek(0)
                lines = [json.loads(line) for line in file.read().splitlines()]
                assert [line["custom_id"] for line in lines] == keys
                found.append(len(keys))
            return found

        monkeypatch.setattr(batch_module, "MAX_REQUESTS", most_requests)
        monkeypatch.setattr(batch_module, "MAX_BYTES", most_bytes)
        return with_client(BatchClient, write)

    body = {"model": "m", "messages": Request("m", "s", ("text 0",)).messages(), "max_completion_tokens": 1000}
    line = json.dumps({"custom_id": "k0", "method": "POST", "url": "/v1/chat/completions", "body": body})
    size = len(line) + 1
    assert files(3, 10**9) == [3, 3, 1] and files(7, 10**9) == [7] and files(3, 10**9, 0) == []
    assert files(99, 3 * size) == [3, 3, 1] and files(99, 3 * size - 1) == [2, 2, 2, 1] and files(99, 1) == [1] * 7


def test_batches_are_collected_in_the_order_in_which_they_were_sent(tmp_path, monkeypatch):
    journal, times = Journal(tmp_path / "answers.sqlite"), iter([30.0, 10.0, 20.0])
    monkeypatch.setattr("atom.llm_client.journal.time.time", lambda: next(times))
    for tag in ("last", "first", "middle"):
        journal.record_batch("a", tag, [tag])
    assert [tag for tag, *_ in journal.pending_batches("a")] == ["first", "middle", "last"]


def test_a_batch_stays_below_what_the_service_accepts():
    """50,000 requests and 200 MB; a tenth at most is left free, so that no more batches are sent than needed."""
    assert batch_module.MAX_REQUESTS == 50_000
    assert 180_000_000 <= batch_module.MAX_BYTES < 200_000_000
