"""What a flow run is called in the UI: by what it does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from prefect.runtime import flow_run

from atom.config import RunConfig
from atom.events import TASKS


def run_name() -> str:
    given = flow_run.parameters
    config = RunConfig.model_validate(given["config"])
    until = f" · until {given['until']}" if given.get("until") else ""
    return f"{config.name} · seed {config.seed} · {_work(config)}{until}"


def growth_name() -> str:
    given = flow_run.parameters
    config = RunConfig.model_validate(given["config"])
    return f"{config.name} {given.get('day') or today()} · {_work(config)}"


def today() -> date:
    return datetime.now(UTC).date()


def _work(config: RunConfig) -> str:
    """`temporal · 512 prompts`, or what else the run begins with."""
    imported: dict[str, Any] = config.external.model_dump()
    if config.external.runs:
        return f"pairs of {', '.join(config.external.runs)}"
    if brought := [name for name in ("candidates", "base", "preferences") if imported[name]]:
        return f"imported {' and '.join(brought)}"
    prompts = config.prompts
    tasks = "" if set(prompts.tasks) == set(TASKS) else f"{' and '.join(prompts.tasks)} · "
    return f"{tasks}{len(prompts.tasks) * (prompts.train_per_task + prompts.test_per_task):,} prompts"
