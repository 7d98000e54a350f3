"""The mock service over HTTP, and a client of it with its own journal."""

import asyncio

import pytest

from atom.config import ServiceConfig
from atom.llm_client.batch import BatchClient
from atom.llm_client.journal import Journal
from atom.llm_client.live import LiveClient
from atom.mock_service import FaultRates, MockServiceSettings, run_in_thread


@pytest.fixture
def start_mock():
    """`start_mock(latency=0.1, rate_limit=0.5)` starts one; settings and fault rates by name."""
    stack = []

    def start(**settings):
        faults = {name: settings.pop(name) for name in list(settings) if name in FaultRates.model_fields}
        started = run_in_thread(MockServiceSettings(faults=FaultRates(**faults), **settings))
        stack.append(started)
        return started.__enter__()

    yield start
    for started in stack:
        started.__exit__(None, None, None)


@pytest.fixture
def ask(tmp_path):
    """`ask(address, work, **service settings)` runs `work(service)` on a new client and returns its result."""

    def run(address, work, key=None, account="test", **settings):
        settings = {"requests_per_minute": 60_000, "poll_seconds": 0.05} | settings
        config = ServiceConfig(base_url=address, **settings)
        journal = Journal(tmp_path / "answers.sqlite")
        kind = BatchClient if config.mode == "batch" else LiveClient

        async def ask_and_close():
            service = kind(config, key, journal, account)
            try:
                return await work(service)
            finally:
                await service.close()

        try:
            return asyncio.run(ask_and_close())
        finally:
            journal.close()

    return run
