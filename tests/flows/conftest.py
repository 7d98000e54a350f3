"""One real Prefect server for all flow tests."""

import pytest
from flow_runs import SMALL
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from atom.config import load_config
from flows.pipeline import align


@pytest.fixture(scope="session")
def server():
    """The address of the server."""
    with prefect_test_harness(server_startup_timeout=180):
        yield PREFECT_API_URL.value()


@pytest.fixture
def run(server):
    """Runs the pipeline on a few prompts: `run(root, "section.field=value", ...)` gives its record."""
    return lambda root, *overrides: align(load_config(overrides=[*SMALL, *overrides]), str(root))
