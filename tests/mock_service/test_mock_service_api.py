"""The HTTP API of the mock service: keys, endpoints, invalid requests, statistics, and its command."""

import asyncio
import json
import re
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import httpx2
import openai
import pytest
from mock_clients import ask, body, client, put_motion, question, value
from pydantic import SecretStr

from atom.commands.serve_mock import serve_mock
from atom.errors import AtomError
from atom.events import Event
from atom.llm_client.request import Request
from atom.mock_service import MockServiceSettings, run_in_thread
from atom.mock_service.statistics import PeakCounter
from storage import Store

HELLO = Request("gpt-4o", "Be kind.", ("Hello!",))


def test_no_key_and_a_wrong_key_are_401_and_the_wrong_one_is_echoed():
    with run_in_thread(MockServiceSettings(key=SecretStr("right-key"))) as mock:
        ask(mock, HELLO, key="right-key")
        with pytest.raises(openai.AuthenticationError, match="wrong-key") as caught:
            ask(mock, HELLO, key="wrong-key")
        assert caught.value.code == "invalid_api_key"
        bare = httpx2.post(f"{mock.address}/chat/completions", json=body(HELLO))
        assert bare.status_code == 401 and "right-key" not in bare.text
        assert set(bare.json()["error"]) == {"message", "type", "param", "code"}
        assert httpx2.get(f"{mock.address}/batches").status_code == 401
        assert mock.statistics()["refused"] == {"401": 2} and mock.statistics()["answered"] == 1


def test_models():
    async def names(mock):
        async with client(mock) as opened:
            return [model.id async for model in opened.models.list()]

    with run_in_thread() as mock:
        assert asyncio.run(names(mock)) == ["atom-double"]
    with run_in_thread(MockServiceSettings(models=("gpt-4o",))) as mock:
        assert asyncio.run(names(mock)) == ["gpt-4o"]
        ask(mock, HELLO)
        with pytest.raises(openai.NotFoundError, match="gpt-5") as caught:
            ask(mock, HELLO.with_changes(model="gpt-5"))
        assert caught.value.code == "model_not_found"


LOOSE = {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {"type": "object"}}}
MISTAKES = {
    "stream": ({"stream": True}, "stream"),
    "no messages": ({"messages": []}, "messages"),
    "no role": ({"messages": [{"content": "Hello!"}]}, "role"),
    "another part": ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "content"),
    "a token limit of none": ({"max_tokens": 0}, "max_tokens"),
    "json that no word asks for": ({"response_format": {"type": "json_object"}}, "json"),
    "a schema without a name": ({"response_format": {"type": "json_schema"}}, "response_format"),
    "a loose schema": ({"response_format": LOOSE}, "additionalProperties"),
    "no model": ({"model": ""}, "model"),
    "a remote picture": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y.png"}}]}]},
        "data URL",
    ),
    "a broken picture": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,???"}}]}
            ]
        },
        "base64",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_get_400_in_the_shape_of_the_real_service(mistake):
    change, word = MISTAKES[mistake]
    with run_in_thread() as mock:
        answer = httpx2.post(
            f"{mock.address}/chat/completions", json=body(HELLO) | change, headers={"authorization": "Bearer k"}
        )
        assert mock.statistics()["refused"] == {"400": 1}
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["type"] == "invalid_request_error"
    assert word in error["message"] or word in error["param"]


def test_what_is_no_json_and_what_is_not_there():
    headers = {"authorization": "Bearer k"}
    with run_in_thread() as mock:
        answer = httpx2.post(f"{mock.address}/chat/completions", content=b"{", headers=headers)
        assert answer.status_code == 400 and "parse" in answer.json()["error"]["message"]
        answer = httpx2.get(f"{mock.address}/nothing", headers=headers)
        assert answer.status_code == 404 and "/v1/nothing" in answer.json()["error"]["message"]
        answer = httpx2.get(f"{mock.address}/batches?limit=many", headers=headers)
        assert answer.status_code == 400 and answer.json()["error"]["param"] == "limit"


def test_unknown_fields_are_ignored(motions, index):
    with run_in_thread(MockServiceSettings(), index) as mock:
        ask(mock, question(motions["jumps"]), seed=3, user="somebody", extra_body={"something": "else"})


def test_statistics_tell_a_clients_manners(motions, index):
    jumps, walks = question(motions["jumps"]), question(motions["walks"])
    with run_in_thread(MockServiceSettings(latency=0.3), index) as mock:
        completions = ask(mock, jumps, jumps, walks)
        address = mock.address.removesuffix("/v1")
        counts = httpx2.get(f"{address}/statistics").json()
        assert counts == mock.statistics()
        assert counts["requests"] == counts["answered"] == 3
        assert (counts["distinct"], counts["repeated"], counts["repeated_answers"]) == (2, 1, 1)
        assert counts["tokens"] == sum(completion.usage.total_tokens for completion in completions)
        assert counts["most_in_flight"] == counts["most_in_a_second"] == counts["most_in_a_minute"] == 3
        assert counts["most_tokens_in_a_minute"] == counts["tokens"] and counts["in_flight"] == 0
        httpx2.post(f"{address}/statistics/reset")
        counts = mock.statistics()
        assert counts["requests"] == counts["answered"] == counts["tokens"] == counts["most_in_flight"] == 0


def test_a_window_slides(monkeypatch):
    times = [0, 10, 59, 61, 200]
    monkeypatch.setattr("atom.mock_service.statistics.time.monotonic", lambda: times.pop(0))
    window = PeakCounter(60)
    while times:
        window.add(2)
    assert window.peak == 6  # at 59 as at 61


def test_only_this_machine_can_reach_it():
    with run_in_thread() as mock:
        assert mock.address.startswith("http://127.0.0.1:")


def test_a_port_in_use_is_one_line_with_the_remedy(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(AtomError, match="--port") as caught:
            serve_mock(root=str(tmp_path), port=taken.getsockname()[1])
    assert str(taken) not in str(caught.value) and "\n" not in str(caught.value)


def test_a_key_that_is_demanded_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("MOCK_KEY", " ")
    with pytest.raises(AtomError, match="MOCK_KEY"):
        serve_mock(root=str(tmp_path), key_variable="MOCK_KEY")


def test_a_file_of_shown_events_is_read_before_the_service_starts(tmp_path):
    with pytest.raises(AtomError, match=r"shows\.jsonl: can't be read"):
        serve_mock(root=str(tmp_path), shows=tmp_path / "shows.jsonl")


def wait_until_it_listens(port):
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.slow
def test_the_command_answers_what_its_file_says(motions, tmp_path):
    motion = motions["walks"]
    shown = {"picture": motion.picture.sha256, "events": [{"action": "hurl ball", "count": 2}]}
    (tmp_path / "shows.jsonl").write_text(json.dumps(shown))
    put_motion(Store(str(tmp_path / "store")), "m", motion, 0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from atom.cli import main; main()", "serve-mock", f"--port={port}"]
    options = ["--store", str(tmp_path / "store"), "--shows", str(tmp_path / "shows.jsonl")]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]
            wait_until_it_listens(port)
            answer = value(ask(SimpleNamespace(address=address), question(motion, [Event("hurl ball")])))
        finally:
            process.kill()
    assert [place["times"] for place in answer["actions"][0]["occurrences"]] == [2]
