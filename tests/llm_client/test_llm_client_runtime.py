"""The clients and the event loop that the threads of a process share."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from atom.config import ServiceConfig
from atom.llm_client import runtime


def test_the_first_calls_of_several_threads_share_one_event_loop(tmp_path, monkeypatch):
    def start_slowly():
        time.sleep(0.05)
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        return loop

    monkeypatch.setattr(runtime, "_event_loop", cache(start_slowly))

    async def find_loop(client):
        return asyncio.get_running_loop(), client

    def call(number):
        settings = ServiceConfig(base_url="http://127.0.0.1:9/v1")
        return runtime.run_with_client(settings, None, tmp_path / "answers.sqlite", "loops", find_loop)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(call, range(8)))
    assert len({id(loop) for loop, _ in found}) == len({id(client) for _, client in found}) == 1
    found[0][0].call_soon_threadsafe(found[0][0].stop)
