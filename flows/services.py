"""The language model service of a run: its key, its journal, and the checks before the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from prefect.blocks.system import Secret
from pydantic import SecretStr

from atom.config import RunConfig, ServiceConfig
from atom.errors import AtomError
from atom.llm_client.client import LLMClient
from atom.llm_client.journal import Journal
from atom.llm_client.runtime import check_service, journal_path, read_api_key, run_with_client
from atom.prompts.seeds import read_seeds
from flows.progress import CountedProgress
from storage import Store

T = TypeVar("T")


def run_requests(
    config: RunConfig, store: Store, work: Callable[[LLMClient], Awaitable[T]], progress: CountedProgress
) -> T:
    """Runs asynchronous work on the run's service. Equal settings share one client in this process.

    Args:
        config: the run's config.
        store: keeps the journal of answers.
        work: gets the client and returns an awaitable.
        progress: counted by the work, shown by this thread.

    Returns:
        The result of the work.
    """
    result = run_with_client(
        config.service,
        service_key(config.service),
        journal_path(config.service, store),
        config.name,
        work,
        progress.show,
    )
    progress.show()
    return result


def check_services(config: RunConfig, store: Store) -> list[str]:
    """Remarks that a person should read. Raises AtomError when the first request of the run would fail."""
    remarks = []
    if models := language_models(config):
        journal_path(config.service, store)
        remarks += check_service(config.service, models, service_key(config.service))
    if config.prompts.seeds:
        seeds = read_seeds(config.prompts.seeds)
        unknown = ", ".join(f"{phrase!r} ({times})" for phrase, times in seeds.not_understood[:5])
        remarks.append(
            f"{seeds.understood} of {seeds.texts} seed texts name known actions; most often unknown: {unknown}"
        )
    return remarks


def total_spent(config: RunConfig, store: Store) -> dict[str, Any] | None:
    """What all runs of this name have spent so far; None for a run without a language model."""
    if not language_models(config):
        return None
    journal = Journal(journal_path(config.service, store))
    try:
        return asdict(journal.get_spending(config.name))
    finally:
        journal.close()


def language_models(config: RunConfig) -> list[str]:
    """The names of the run's language models."""
    models = [config.prompts.llm.model] if config.prompts.writer == "llm" else []
    if config.uses_vision:
        models += [config.judging.vision.model, config.judging.vision.second_model or ""]
    return [model for model in dict.fromkeys(models) if model]


def service_key(settings: ServiceConfig) -> SecretStr | None:
    """The key from the Prefect Secret block, else from the environment. It is read where it is used, never passed
    on."""
    if settings.key_block is None:
        return read_api_key(settings)
    try:
        return SecretStr(str(Secret.load(settings.key_block).get()))
    except ValueError:
        raise AtomError(
            f"there is no Prefect Secret block {settings.key_block!r}: make it in the UI under Blocks, or leave "
            f"service.key_block out and set {settings.key_variable}"
        ) from None
