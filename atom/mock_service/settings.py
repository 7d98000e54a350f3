"""Settings of the mock service: how well it answers, how fast, and how often it fails."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from atom.config import ConfigSection

Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class FaultRates(ConfigSection):
    """Fraction of requests that each fault hits, among those that no fault above it in the list has hit."""

    rate_limit: Fraction = Field(0.0, description="429 at once")
    server_error: Fraction = Field(0.0, description="500 at once")
    unavailable: Fraction = Field(0.0, description="503 at once")
    no_schema: Fraction = Field(0.0, description="400 to the response_format json_schema, among requests that have one")
    stall: Fraction = Field(0.0, description="the answer is delayed by stall_seconds; it counts as paid")
    cut: Fraction = Field(0.0, description="the connection closes in the middle of the answer, which counts as paid")
    refusal: Fraction = Field(0.0, description="the model refuses")
    invalid_json: Fraction = Field(0.0, description="the answer is incomplete JSON, with finish_reason 'stop'")
    wrong_schema: Fraction = Field(0.0, description="the answer is JSON that does not match the schema")
    truncated: Fraction = Field(0.0, description="the answer is cut as if by the token limit")


class MockServiceSettings(ConfigSection):
    """The mock judge service."""

    seed: int = 0
    noise: Fraction = Field(
        0.0, description="fraction of listed actions, ratings, comparisons and captions that are wrong"
    )
    count_noise: Fraction = Field(0.0, description="fraction of counts that are off by one")
    models: tuple[str, ...] = Field((), description="models that exist; empty: any")
    key: SecretStr | None = Field(None, description="the only accepted API key; null: any")
    latency: Seconds = 0.0
    jitter: Fraction = Field(0.0, description="fraction by which the latency varies")
    requests_per_minute: int | None = Field(None, ge=1, description="more are answered 429; null: no limit")
    retry_after: Seconds | None = Field(1.0, description="Retry-After of a simulated 429, in seconds; null: no header")
    retry_after_ms: Seconds | None = Field(None, description="the same in milliseconds")
    stall_seconds: Seconds = 5.0
    batch_lines_per_second: float = Field(500.0, gt=0)
    batch_state_seconds: Seconds = Field(0.1, description="minimum time that a batch is validating, and finalizing")
    faults: FaultRates = FaultRates()
