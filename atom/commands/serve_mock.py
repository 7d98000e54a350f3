"""`atom serve-judge`: a test double of a vision-language service, to try a whole run without paying."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from atom.errors import AtomError


def _share(text: str) -> Any:
    return typer.Option(min=0, max=1, help=text)


def serve_mock(
    root: Annotated[str, typer.Option("--store", help="whose pictures it knows, also those that come later")] = "store",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    seed: int = 0,
    latency: Annotated[float, typer.Option(min=0, help="seconds before an answer")] = 0.0,
    jitter: Annotated[float, _share("share of the latency by which it varies")] = 0.0,
    noise: Annotated[float, _share("share of actions seen wrongly, and of ratings and comparisons that err")] = 0.0,
    count_noise: Annotated[float, _share("share of counts that are off by one")] = 0.0,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="429 beyond")] = None,
    rate_limit: Annotated[float, _share("share of requests answered 429")] = 0.0,
    retry_after: Annotated[float, typer.Option(min=0, help="seconds that such a 429 asks to wait")] = 1.0,
    server_error: Annotated[float, _share("share answered 500")] = 0.0,
    unavailable: Annotated[float, _share("share answered 503")] = 0.0,
    no_schema: Annotated[float, _share("share of json_schema requests answered 400")] = 0.0,
    stall: Annotated[float, _share("share of answers held back")] = 0.0,
    stall_seconds: Annotated[float, typer.Option(min=0, help="how long those are held back")] = 5.0,
    cut: Annotated[float, _share("share of connections closed in the middle of the answer")] = 0.0,
    refusal: Annotated[float, _share("share of refusals")] = 0.0,
    invalid_json: Annotated[float, _share("share of answers that are no JSON")] = 0.0,
    wrong_schema: Annotated[float, _share("share of answers of another shape")] = 0.0,
    truncated: Annotated[float, _share("share of answers cut off by the token limit")] = 0.0,
    batch_lines_per_second: Annotated[float, typer.Option(min=0.01, help="how fast batches are worked through")] = 500,
    key_variable: Annotated[
        str | None, typer.Option(help="demand the key that this environment variable holds")
    ] = None,
) -> None:
    """Run a test double of an OpenAI-compatible service on this machine; it answers what the kinematic judge sees."""
    from atom.mock_service import FaultRates, MockServiceSettings, MotionIndex, serve
    from storage import Store

    settings = MockServiceSettings(
        seed=seed,
        latency=latency,
        jitter=jitter,
        noise=noise,
        count_noise=count_noise,
        requests_per_minute=requests_per_minute,
        retry_after=retry_after,
        stall_seconds=stall_seconds,
        batch_lines_per_second=batch_lines_per_second,
        key=_key(key_variable),
        faults=FaultRates(
            rate_limit=rate_limit,
            server_error=server_error,
            unavailable=unavailable,
            no_schema=no_schema,
            stall=stall,
            cut=cut,
            refusal=refusal,
            invalid_json=invalid_json,
            wrong_schema=wrong_schema,
            truncated=truncated,
        ),
    )
    serve(settings, MotionIndex(store=Store(root)), port)


def _key(variable: str | None) -> SecretStr | None:
    if variable is None:
        return None
    if not (value := os.environ.get(variable, "").strip()):
        raise AtomError(
            f"the environment variable {variable} is empty: put the key into it, or leave out --key-variable"
        )
    return SecretStr(value)
