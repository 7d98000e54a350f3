"""The service that a run asks: its key, its journal, and what has to be right before anything is asked."""

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
from flows.progress import Counted
from storage import Store

T = TypeVar("T")


def ask(config: RunConfig, store: Store, work: Callable[[LLMClient], Awaitable[T]], told: Counted) -> T:
    """Runs `work` on the run's service and tells its progress; equal settings share one service in this process."""
    result = run_with_client(
        config.service, service_key(config.service), journal_path(config.service, store), config.name, work, told.tell
    )
    told.tell()
    return result


def check_run(config: RunConfig, store: Store) -> list[str]:
    """AtomError when the run would fail at its first question; remarks that a person should read."""
    remarks = []
    if models := models_of(config):
        journal_path(config.service, store)
        remarks += check_service(config.service, models, service_key(config.service))
    if config.prompts.seeds:
        seeds = read_seeds(config.prompts.seeds)
        missed = ", ".join(f"{phrase!r} ({times})" for phrase, times in seeds.not_understood[:5])
        remarks.append(
            f"{seeds.understood} of {seeds.texts} seed texts tell known actions; most often not known: {missed}"
        )
    return remarks


def spent_by(config: RunConfig, store: Store) -> dict[str, Any] | None:
    """What runs of this name have spent so far, all together; None for a run that asks no model."""
    if not models_of(config):
        return None
    journal = Journal(journal_path(config.service, store))
    try:
        return asdict(journal.get_spending(config.name))
    finally:
        journal.close()


def models_of(config: RunConfig) -> list[str]:
    """The language models that a run asks."""
    models = [config.prompts.llm.model] if config.prompts.writer == "llm" else []
    if config.uses_vision:
        models += [config.judging.vision.model, config.judging.vision.second_model or ""]
    return [model for model in dict.fromkeys(models) if model]


def service_key(settings: ServiceConfig) -> SecretStr | None:
    """The key from the Prefect Secret block, else from the environment; read where it is used and never passed on."""
    if settings.key_block is None:
        return read_api_key(settings)
    try:
        return SecretStr(str(Secret.load(settings.key_block).get()))
    except ValueError:
        raise AtomError(
            f"there is no Prefect Secret block {settings.key_block!r}: make it in the UI under Blocks, or leave "
            f"service.key_block out and set {settings.key_variable}"
        ) from None
