"""The language model service of a run: its key, its journal, and the checks before the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from prefect.blocks.system import Secret
from pydantic import SecretStr

from atom.config import PromptConfig, RunConfig, ServiceConfig
from atom.errors import AtomError
from atom.llm_client.client import LLMClient
from atom.llm_client.journal import Journal
from atom.llm_client.runtime import check_service, journal_path, read_api_key, run_with_client
from atom.prompts.dataset_prompts import load_captions
from atom.prompts.llm_reading import LLMReading, read_texts_with_llm, reader_model
from atom.prompts.reading import read_text
from atom.prompts.seeds import known_weights, read_seeds
from flows.progress import CountedProgress
from storage import PROMPTS, Store

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


def read_captions(
    config: RunConfig,
    store: Store,
    texts: Sequence[str],
    word_classes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
) -> LLMReading:
    """Reads the events of captions by the reader of `prompts.reader`. Its stage needs the resource "service".

    Args:
        config: the run's config.
        store: keeps the journal of answers.
        texts: the captions.
        word_classes: (word, part of speech) pairs of the captions that have them.

    Returns:
        The events in the order of the captions, with what they cost; nothing for the offline reader.
    """
    if config.prompts.reader == "offline":
        return LLMReading([read_text(text, (word_classes or {}).get(text)) for text in texts])
    progress = CountedProgress("captions read")
    return run_requests(
        config,
        store,
        lambda client: read_texts_with_llm(client, texts, config.prompts, progress.count, word_classes),
        progress,
    )


def check_services(config: RunConfig, store: Store) -> list[str]:
    """Remarks that a person should read. Raises AtomError when the first request of the run would fail."""
    remarks = find_old_prompts(store)
    if models := language_models(config):
        journal_path(config.service, store)
        remarks += check_service(config.service, models, service_key(config.service))
    if config.prompts.writer == "captions":
        load_captions(config.prompts.captions or "")
    if config.prompts.seeds:
        remarks.append(_describe_seeds(config.prompts))
    return remarks


def _describe_seeds(prompts: PromptConfig) -> str:
    """What the seed texts hold, in one line. Raises AtomError if they have no action that the prompts can use."""
    if prompts.writer == "grammar":
        known_weights(prompts.seeds)
    seeds = read_seeds(prompts.seeds)
    line = (
        f"{seeds.understood} of {seeds.texts} seed texts hold known actions, {seeds.with_open_actions} hold open ones"
    )
    if seeds.open_actions:
        use = "used too" if prompts.writer == "llm" else "left out by the grammar"
        line += f" ({use}), most often {', '.join(f'{action!r} ({n})' for action, n in seeds.open_actions[:5])}"
    return line


def find_old_prompts(store: Store) -> list[str]:
    """A remark where the store holds prompts of an earlier version only: a run computes them and all that follows
    again. Nothing where it already holds some of this version, or none."""
    manifests = [manifest for manifest in store.manifests(PROMPTS.name).values() if manifest]
    versions = {int(manifest.recipe["schema_version"]) for manifest in manifests}
    if not versions or max(versions) >= PROMPTS.version:
        return []
    return [
        f"the prompts in {store.root} are of version {max(versions)} of their table: this run computes prompts and all "
        f"that follows again, because version {PROMPTS.version} has open events; earlier runs stay as they are"
    ]


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
    if config.prompts.reader == "llm":
        models.append(reader_model(config.prompts))
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
