"""One event loop a process for all services, so that shards in several threads share limits, budget and connections."""

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
_OPENAI = "api.openai.com"

_services: dict[tuple[ServiceConfig, str, str, str], LLMClient] = {}
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
    """Runs `work` on the process's service of these settings and waits for it, calling `every_second` meanwhile in the
    caller's own thread. Callable from any thread.

    Calls with equal settings share one service, and with it its rates, its concurrency and its budget. Raises what the
    work raises; a service that was found to be down or out of budget is made anew by the next call.
    """
    place = (settings, key.get_secret_value() if key else "", str(journal), account)
    with _lock:
        if place not in _services:
            if str(journal) not in _journals:
                _journals[str(journal)] = Journal(journal)
            kind = BatchClient if settings.mode == "batch" else LiveClient
            _services[place] = kind(settings, key, _journals[str(journal)], account)
        service = _services[place]
    future = asyncio.run_coroutine_threadsafe(_awaited(work, service), _loop())
    try:
        while not wait([future], timeout=1.0).done:
            every_second()
        return future.result()
    except (ServiceError, BudgetSpent):
        with _lock:
            if _services.get(place) is service:
                del _services[place]
        raise
    except BaseException:
        future.cancel()
        raise


async def gather_settled(work: list[Awaitable[T]]) -> list[T]:
    """The results of all; if one raises, the others still run to their end first, for what is under way is paid for."""
    done = await asyncio.gather(*work, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
    return done  # type: ignore[return-value]


def read_api_key(settings: ServiceConfig) -> SecretStr | None:
    """The key from the environment; None where there is none, which local servers allow."""
    value = os.environ.get(settings.key_variable, "").strip()
    return SecretStr(value) if value else None


def journal_path(settings: ServiceConfig, store: Store) -> Path:
    """The file that keeps the answers: beside the artifacts of a local store, unless the settings say where."""
    if settings.journal:
        return Path(settings.journal)
    if not store.files.local:
        raise AtomError(
            f"the store {store.root} is no folder, so say where the answers of the service are kept: "
            "--set service.journal=FILE on this machine"
        )
    return Path(store.root) / "journal" / "answers.sqlite"


def check_service(settings: ServiceConfig, models: list[str], key: SecretStr | None) -> list[str]:
    """Finds what would go wrong before anything is asked: AtomError. Gives remarks that a person should read."""
    address = urlsplit(settings.base_url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise AtomError("service.base_url must be an address such as https://api.openai.com/v1")
    if address.username or address.password or address.query:
        raise AtomError(
            f"service.base_url holds a user, password or query; give the key in the variable {settings.key_variable}"
        )
    if key is None and address.hostname == _OPENAI:
        raise AtomError(
            f"there is no key for {_OPENAI}: set {settings.key_variable} in the environment, or name a Prefect Secret "
            "block in service.key_block"
        )
    prices = read_prices(settings.prices)
    unknown = [model for model in models if find_price(model, prices) is None]
    if unknown and settings.budget_dollars is not None:
        raise AtomError(
            f"there is no price for {', '.join(unknown)}, so service.budget_dollars can't be kept: put it into a file "
            "and name that in service.prices, or set service.budget_tokens instead"
        )
    return [f"no price is known for {model}: only its tokens are counted" for model in unknown]


async def _awaited(work: Callable[[LLMClient], Awaitable[T]], service: LLMClient) -> T:
    return await work(service)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="services", daemon=True).start()
    return loop
