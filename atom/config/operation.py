"""Config of how a run works, which never changes a result: service, gates, resources. Never part of an artifact key."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from atom.config.base import ConfigSection

Tracker = Literal["tensorboard", "mlflow", "trackio", "wandb", "swanlab"]  # in accelerate's words


class ServiceConfig(ConfigSection):
    """The OpenAI-compatible service of the language models.

    Models are named where they are used, since the same model gives the same answers at another address.
    """

    base_url: str = Field("https://api.openai.com/v1", description="address of the API, without a key in it")
    key_variable: str = Field(
        "OPENAI_API_KEY", pattern=r"^[A-Z_][A-Z0-9_]*$", description="environment variable that holds the key"
    )
    key_block: str | None = Field(
        None, pattern=r"^[a-z0-9-]+$", description="Prefect Secret block that holds the key; overrides key_variable"
    )
    mode: Literal["live", "batch"] = Field("live", description="batch: the Batch API, within a day at half the price")
    requests_per_minute: int = Field(500, ge=1, description="rate limit of one process, as all limits here")
    tokens_per_minute: int | None = Field(None, ge=1, description="null: no limit")
    concurrency: int = Field(32, ge=1, description="most requests in flight; fewer for a while after a 429")
    attempts: int = Field(6, ge=1, description="tries of one request before it counts as failed")
    timeout: float = Field(120.0, gt=0, description="seconds that one try may take")
    budget_dollars: float | None = Field(None, gt=0, description="most that all runs of this name may spend together")
    budget_tokens: int | None = Field(None, gt=0, description="the same in tokens")
    prices: str | None = Field(
        None, description="YAML file of prices that override those of atom/llm_client/prices.yaml"
    )
    journal: str | None = Field(None, description="file that keeps every answer; null: journal/ in a local store")
    token_limit: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens", description="the service's name for the most tokens of an answer"
    )
    poll_seconds: float = Field(30.0, gt=0, description="seconds between two polls of a batch")


class GateConfig(ConfigSection):
    """Checks between two stages: what stops a run, and what only raises an alert."""

    empty_motions: float = Field(0.2, ge=0, le=1, description="largest fraction of answers without a motion")
    broken_motions: float = Field(0.1, ge=0, le=1, description="largest fraction of motions that are no human body")
    repeated_motions: float = Field(
        0.9, ge=0, le=1, description="largest fraction of motions equal to another of the same prompt"
    )
    alert_quarantined: float = Field(
        0.05, ge=0, le=1, description="fraction of rows set aside in a stage that raises an alert"
    )
    alert_dollars: float | None = Field(None, gt=0, description="cost of one stage that raises an alert")


class ResourceConfig(ConfigSection):
    """Where and how fast the work is done."""

    device: str = Field("cpu", description="cpu, cuda, cuda:1, mps")
    runner: Literal["threads", "dask", "ray"] = Field(
        "threads", description="where shards are computed: threads of this process, or a cluster"
    )
    address: str | None = Field(
        None, description="address of the Dask scheduler or the Ray cluster; null: a new cluster on this machine"
    )
    workers: int = Field(2, ge=1, description="shards computed at the same time on this machine")
    threads: int = Field(1, ge=1, description="torch threads of each; more than there are free cores is far slower")
    batch_size: int = Field(64, ge=1, description="motions generated in one batch")
    processes: int = Field(
        1, ge=1, description="processes that tune on preferences together, each on a GPU of its own where there are any"
    )
    trackers: tuple[Tracker, ...] = Field(
        (), description="experiment trackers of the run's curves and gains; each needs atom-motion[NAME]"
    )
    logging_dir: str = Field("logs", description="folder of the trackers' files")
    retries: int = Field(2, ge=0, description="retries of a failed shard")
