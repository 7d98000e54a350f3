"""The clients that a process shares, one for equal settings, and the event loop that runs them.

Shards in several threads thus share rate limits, budget and connections.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from functools import cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from atom.config import ServiceConfig
from atom.errors import AtomError
from atom.llm_client.batch import BatchClient
from atom.llm_client.client import LLMClient
from atom.llm_client.errors import BudgetSpent, ServiceError
from atom.llm_client.journal import Journal
from atom.llm_client.live import LiveClient
from atom.llm_client.prices import find_price, read_prices
from storage import Store

T = TypeVar("T")
_OPENAI_HOST = "api.openai.com"

_clients: dict[tuple[ServiceConfig, str, str, str], LLMClient] = {}
_journals: dict[str, Journal] = {}
_lock = threading.Lock()


def run_with_client(
    settings: ServiceConfig,
    key: SecretStr | None,
    journal: Path,
    account: str,
    work: Callable[[LLMClient], Awaitable[T]],
    every_second: Callable[[], None] = lambda: None,
) -> T:
    """Runs `work` with the process's client of these settings, and waits for its result. Any thread may call it.

    Calls with equal arguments share one client, and so its rate limits, concurrency and budget.

    Args:
        settings: settings of the service.
        key: API key; None where the service needs none.
        journal: file of the journal.
        account: name under which the spending is booked.
        work: gets the client and returns an awaitable of the result.
        every_second: called in the caller's thread once a second while it waits.

    Returns:
        The result of `work`.

    Raises:
        ServiceError, BudgetSpent: the service is down or the budget is spent. The next call makes a new client.
        Exception: whatever else `work` raises.
    """
    identity = (settings, key.get_secret_value() if key else "", str(journal), account)
    with _lock:
        if identity not in _clients:
            if str(journal) not in _journals:
                _journals[str(journal)] = Journal(journal)
            client_class = BatchClient if settings.mode == "batch" else LiveClient
            # One client for all threads of a process, so that they share its limits, its connections and its circuit
            # breaker.
            _clients[identity] = client_class(settings, key, _journals[str(journal)], account)
        client = _clients[identity]
        loop = _event_loop()  # under the lock: two first calls at once would each start a loop of their own
    future = asyncio.run_coroutine_threadsafe(_await_work(work, client), loop)
    try:
        # Wakes up each second, so that a cancelled run stops within one.
        while not wait([future], timeout=1.0).done:
            every_second()
        return future.result()
    except (ServiceError, BudgetSpent):
        with _lock:
            # Another thread may have replaced the client already.
            if _clients.get(identity) is client:
                del _clients[identity]
        raise
    except BaseException:
        future.cancel()
        raise


async def gather_settled(work: list[Awaitable[T]]) -> list[T]:
    """Waits for all awaitables, then returns their results or raises the first error.

    Unlike `asyncio.gather` it lets the others finish after an error, because requests in flight are paid for.
    """
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]


def read_api_key(settings: ServiceConfig) -> SecretStr | None:
    """Reads the API key from the environment. It is None if the variable is empty, which local servers allow."""
    value = os.environ.get(settings.key_variable, "").strip()
    return SecretStr(value) if value else None


def journal_path(settings: ServiceConfig, store: Store) -> Path:
    """Returns the file of the journal: `service.journal`, else a file in the folder of a local store.

    Args:
        settings: settings of the service.
        store: the run's artifact store.

    Returns:
        The path, which need not exist yet.

    Raises:
        AtomError: the store is remote and `service.journal` is not set.
    """
    if settings.journal:
        return Path(settings.journal)
    if not store.files.local:
        raise AtomError(
            f"the store {store.root} is not a local folder, so the journal of answers needs a place of its own: add "
            "--set service.journal=FILE, a file on this machine"
        )
    return Path(store.root) / "journal" / "answers.sqlite"


def check_service(settings: ServiceConfig, models: list[str], key: SecretStr | None) -> list[str]:
    """Checks the settings of a service before the first request.

    Args:
        settings: settings of the service.
        models: models that the run will use.
        key: API key; None where there is none.

    Returns:
        Remarks that a person should read.

    Raises:
        AtomError: the address is invalid, a needed key is missing, or a budget in dollars has no price to go by.
    """
    address = urlsplit(settings.base_url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise AtomError("service.base_url must be an address such as https://api.openai.com/v1")
    if address.username or address.password or address.query:
        raise AtomError(
            f"service.base_url holds a user, password or query; give the key in the variable {settings.key_variable}"
        )
    if key is None and address.hostname == _OPENAI_HOST:
        raise AtomError(
            f"there is no key for {_OPENAI_HOST}: set {settings.key_variable} in the environment, or name a Prefect "
            "Secret block in service.key_block"
        )
    prices = read_prices(settings.prices)
    unpriced = [model for model in models if find_price(model, prices) is None]
    if unpriced and settings.budget_dollars is not None:
        raise AtomError(
            f"there is no price for {', '.join(unpriced)}, so service.budget_dollars can't be kept: put the price into "
            "a file and set service.prices to its path, or set service.budget_tokens instead"
        )
    return [f"no price is known for {model}: only its tokens are counted" for model in unpriced]


async def _await_work(work: Callable[[LLMClient], Awaitable[T]], client: LLMClient) -> T:
    return await work(client)


@cache
def _event_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    # A daemon: a request that hangs does not keep the process alive.
    threading.Thread(target=loop.run_forever, name="llm-clients", daemon=True).start()
    return loop
