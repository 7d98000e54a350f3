"""How well the double answers, how fast, and how often it fails."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from atom.config import ConfigSection

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class FaultRates(ConfigSection):
    """The share of requests that each fault hits, of those that no fault above it has hit."""

    rate_limit: Share = Field(0.0, description="429 at once")
    server_error: Share = Field(0.0, description="500 at once")
    unavailable: Share = Field(0.0, description="503 at once")
    no_schema: Share = Field(0.0, description="400 to a response_format json_schema, of requests that have one")
    stall: Share = Field(0.0, description="the answer is held back for stall_seconds; it is paid")
    cut: Share = Field(0.0, description="the connection closes in the middle of the answer; it is paid")
    refusal: Share = Field(0.0, description="the model refuses")
    invalid_json: Share = Field(0.0, description="the answer breaks off as JSON, and says that it is whole")
    wrong_schema: Share = Field(0.0, description="the answer is JSON of another shape")
    truncated: Share = Field(0.0, description="the answer ends at the token limit")


class MockServiceSettings(ConfigSection):
    """A test double of an OpenAI-compatible service."""

    seed: int = 0
    noise: Share = Field(0.0, description="share of listed actions seen wrongly, of ratings and comparisons that err")
    count_noise: Share = Field(0.0, description="share of counts that are off by one")
    models: tuple[str, ...] = Field((), description="models that are there; none named: any")
    key: SecretStr | None = Field(None, description="the key that is demanded; null: any")
    latency: Seconds = 0.0
    jitter: Share = Field(0.0, description="share of the latency by which it varies")
    requests_per_minute: int | None = Field(None, ge=1, description="429 beyond; null: no limit")
    retry_after: Seconds | None = Field(1.0, description="the header of a drawn 429, in seconds; null: none")
    retry_after_ms: Seconds | None = Field(None, description="the same in milliseconds")
    stall_seconds: Seconds = 5.0
    batch_lines_per_second: float = Field(500.0, gt=0)
    batch_state_seconds: Seconds = Field(0.1, description="least time that a batch is validating, and finalizing")
    faults: FaultRates = FaultRates()
