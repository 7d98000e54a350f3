"""`atom serve-mock`: a mock of an OpenAI-compatible service, to try a whole run without paying for one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from atom.errors import AtomError


def _fraction(text: str) -> Any:
    return typer.Option(min=0, max=1, help=text)


def serve_mock(
    root: Annotated[
        str, typer.Option("--store", help="the store whose pictures it knows, including those of later runs")
    ] = "store",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8765,
    shows: Annotated[
        Path | None,
        typer.Option(
            help="what motions show: JSON lines with `motion_id`, or `prompt_id` and `sample`, and `events`, a list of "
            "{action, count, start, end}"
        ),
    ] = None,
    seed: int = 0,
    latency: Annotated[float, typer.Option(min=0, help="seconds before an answer")] = 0.0,
    jitter: Annotated[float, _fraction("fraction of the latency by which it varies")] = 0.0,
    noise: Annotated[float, _fraction("fraction of wrong detections, ratings, comparisons and captions read")] = 0.0,
    count_noise: Annotated[float, _fraction("fraction of counts that are off by one")] = 0.0,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="requests beyond this limit are answered 429")
    ] = None,
    rate_limit: Annotated[float, _fraction("fraction of requests answered 429")] = 0.0,
    retry_after: Annotated[float, typer.Option(min=0, help="seconds in the Retry-After header of a 429")] = 1.0,
    server_error: Annotated[float, _fraction("fraction of requests answered 500")] = 0.0,
    unavailable: Annotated[float, _fraction("fraction of requests answered 503")] = 0.0,
    no_schema: Annotated[float, _fraction("fraction of requests with a json_schema answered 400")] = 0.0,
    stall: Annotated[float, _fraction("fraction of answers that stall")] = 0.0,
    stall_seconds: Annotated[float, typer.Option(min=0, help="seconds that a stalled answer is late")] = 5.0,
    cut: Annotated[float, _fraction("fraction of connections closed in the middle of the answer")] = 0.0,
    refusal: Annotated[float, _fraction("fraction of refusals")] = 0.0,
    invalid_json: Annotated[float, _fraction("fraction of answers that are not JSON")] = 0.0,
    wrong_schema: Annotated[float, _fraction("fraction of answers with a wrong schema")] = 0.0,
    truncated: Annotated[float, _fraction("fraction of answers truncated at the token limit")] = 0.0,
    batch_lines_per_second: Annotated[float, typer.Option(min=0.01, help="speed at which batches are processed")] = 500,
    key_variable: Annotated[str | None, typer.Option(help="require the API key in this environment variable")] = None,
) -> None:
    """Run a mock of an OpenAI-compatible service on this machine. It answers what the kinematic judge sees; of motions
    whose prompt has an action that this judge can't see, what --shows says, or without it what the prompt says."""
    from atom.mock_service import FaultRates, MockServiceSettings, MotionIndex, read_shown_events, serve
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
        key=_read_key(key_variable),
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
    events = None if shows is None else read_shown_events(shows)
    serve(settings, MotionIndex(store=Store(root), shows=events), port)


def _read_key(variable: str | None) -> SecretStr | None:
    if variable is None:
        return None
    if not (value := os.environ.get(variable, "").strip()):
        raise AtomError(
            f"the environment variable {variable} is empty: put the key into it, or leave out --key-variable"
        )
    return SecretStr(value)
