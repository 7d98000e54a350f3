"""Names of flow runs in the UI."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from prefect.runtime import flow_run

from atom.config import RunConfig
from atom.events import TASKS


def run_name() -> str:
    parameters = flow_run.parameters
    config = RunConfig.model_validate(parameters["config"])
    until = f" · until {parameters['until']}" if parameters.get("until") else ""
    return f"{config.name} · seed {config.seed} · {_describe_work(config)}{until}"


def grow_name() -> str:
    parameters = flow_run.parameters
    config = RunConfig.model_validate(parameters["config"])
    return f"{config.name} {parameters.get('day') or today()} · {_describe_work(config)}"


def today() -> date:
    return datetime.now(UTC).date()


def _describe_work(config: RunConfig) -> str:
    """`temporal · 512 prompts`, or the external data that the run starts from."""
    external: dict[str, Any] = config.external.model_dump()
    if config.external.runs:
        return f"pairs of {', '.join(config.external.runs)}"
    if sources := [name for name in ("candidates", "base", "preferences") if external[name]]:
        return f"external {' and '.join(sources)}"
    prompts = config.prompts
    tasks = "" if set(prompts.tasks) == set(TASKS) else f"{' and '.join(prompts.tasks)} · "
    return f"{tasks}{len(prompts.tasks) * (prompts.train_per_task + prompts.test_per_task):,} prompts"
