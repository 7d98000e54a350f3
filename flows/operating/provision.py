"""Sets up a Prefect server: work pools, the deployments of prefect.yaml, and the automations with their webhook.

Every step may be repeated: what exists is kept or updated, and what was switched off stays off.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, get_current_settings, temporary_settings
from prefect.states import Crashed

from atom.errors import AtomError
from flows.operating.processes import python

PROJECT = Path(__file__).resolve().parents[2]
AUTOMATIONS = Path(__file__).resolve().parents[1] / "automations.yaml"
POOLS = {"cpu": None, "gpu": 1}  # runs at the same time; None: any number, since some runs wait for others
ALERT_BLOCK = "atom-alerts"
_UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]


# A work pool runs the flow of a deployment and nothing else: the server refuses a run with a command, an environment
# or a folder of its own, and no such value reaches a worker.
_JOB_TEMPLATE = {
    "job_configuration": {
        "command": None,
        "env": {},
        "labels": {},
        "name": None,
        "stream_output": True,
        "working_dir": None,
    },
    "variables": {"type": "object", "properties": {}, "additionalProperties": False},
}


@contextmanager
def connected_to(api: str, login: str | None) -> Iterator[None]:
    """Context in which Prefect's client uses the server at `api`, with this login or that of Prefect's settings."""
    settings = {PREFECT_API_URL: api} | ({PREFECT_API_AUTH_STRING: login} if login else {})
    with temporary_settings(settings):
        yield


async def create_work_pools() -> list[str]:
    """Creates the missing work pools and returns their names. The limits of existing ones stay."""
    created = []
    async with get_client() as client:
        for name, limit in POOLS.items():
            pool = WorkPoolCreate(name=name, type="process", concurrency_limit=limit, base_job_template=_JOB_TEMPLATE)
            try:
                await client.create_work_pool(pool)
                created.append(name)
            except ObjectAlreadyExists:  # perhaps by a version that let runs bring commands of their own
                await client.update_work_pool(name, WorkPoolUpdate(base_job_template=_JOB_TEMPLATE))
    return created


def deploy(store: str) -> int:
    """Deploys everything in prefect.yaml with this store, and returns the number of deployments. Raises AtomError when
    Prefect refuses one."""
    file = PROJECT / "prefect.yaml"
    if not file.exists():
        raise AtomError(f"there is no {file}: deployments need a checkout of the project")
    done = subprocess.run(
        python("-m", "prefect", "--no-prompt", "deploy", "--all"),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**os.environ, **get_current_settings().to_environment_variables(exclude_unset=True), "ATOM_STORE": store},
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise AtomError(f"`prefect deploy --all` failed: {lines[-1].strip() if lines else 'no output'}; see {file}")
    return len(yaml.safe_load(file.read_text())["deployments"])


async def create_automations(webhook: str | None) -> tuple[list[str], list[str]]:
    """Creates or updates the automations.

    Args:
        webhook: address for the automations that call one; None uses the one of an earlier call.

    Returns:
        Names of the automations, and names of those that are left out for want of a webhook.
    """
    done, left_out = [], []
    async with get_client() as client:
        block = await _alert_block(client, webhook)
        known = {automation.name: automation for automation in await client.read_automations()}
        for described in yaml.safe_load(AUTOMATIONS.read_text())["automations"]:
            automation = _automation(described, block)
            if automation is None:
                left_out.append(described["name"])
            elif (existing := known.get(automation.name)) is None:
                await client.create_automation(automation)
                done.append(automation.name)
            else:
                automation.enabled = existing.enabled
                # An update drops what the automation waits for, such as the next heartbeat of a dead run.
                if AutomationCore.model_validate(existing.model_dump()) != automation:
                    await client.update_automation(existing.id, automation)
                done.append(automation.name)
    return done, left_out


async def mark_crashed(reason: str) -> list[str]:
    """Marks all runs of the work pools and their subflows as crashed, and returns their names. Without a worker Prefect
    shows them as running for ever, and they keep their slot in the pool."""
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
    async with get_client() as client:
        found = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=running),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=list(POOLS))),
        )
        names = []
        while found:
            for run in found:
                await client.set_flow_run_state(run.id, Crashed(message=reason), force=True)
                names.append(run.name)
            parents = FlowRunFilterParentFlowRunId(any_=[run.id for run in found])
            found = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(state=running, parent_flow_run_id=parents)
            )
    return names


def _automation(described: dict[str, Any], block: UUID | None) -> AutomationCore | None:
    """The automation as Prefect takes it; None when it calls a webhook and there is no block."""
    actions = []
    for action in described["actions"]:
        if "block" in action:
            if block is None:
                return None
            action = {key: value for key, value in action.items() if key != "block"} | {"block_document_id": block}
        actions.append(action)
    return AutomationCore.model_validate(described | {"actions": actions})


async def _alert_block(client: PrefectClient, webhook: str | None) -> UUID | None:
    """Id of the block with the webhook's address, which the server encrypts with a key in its database."""
    if webhook:
        await Webhook.aregister_type_and_schema(client=client)
        block = Webhook(url=webhook, headers={"Content-Type": "application/json"})
        return await block.asave(ALERT_BLOCK, overwrite=True, client=client)
    try:
        return (await client.read_block_document_by_name(ALERT_BLOCK, "webhook", include_secrets=False)).id
    except ObjectNotFound:
        return None
