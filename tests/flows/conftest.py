"""One real Prefect server for the flow tests of a process."""

import os

import pytest
from flow_runs import SMALL, undrawn_plots
from forked_process import ForkedAtom, start_fork_server
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
    PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED,
    temporary_settings,
)
from prefect.testing import utilities
from prefect_database import PrefectDatabase

from atom.config import load_config
from flows.pipeline import align

# Events and automations are tested with the server that `make up` starts.
_LEAN = {
    PREFECT_SERVER_ANALYTICS_ENABLED: False,
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
    PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,
}


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory):
    """An empty database of Prefect, for servers whose first start is not what is tested."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # that of all workers
    return PrefectDatabase(folder, dict(os.environ))


@pytest.fixture(scope="session")
def server(prefect_database):
    """The address of the server."""
    with pytest.MonkeyPatch.context() as patch, temporary_settings(_LEAN):
        patch.setattr(utilities, "mkdtemp", prefect_database.new_folder)
        with utilities.prefect_test_harness(server_startup_timeout=180):
            yield PREFECT_API_URL.value()


@pytest.fixture(scope="module", autouse=True)
def without_plots():
    """Plots are not drawn in these tests, and in no others of the process; see `flow_runs.drawn_plots`."""
    with undrawn_plots():
        yield


@pytest.fixture
def run(server):
    """Runs the pipeline on a few prompts: `run(root, "section.field=value", ..., until="scores")` gives its record."""
    return lambda root, *overrides, until=None: align(load_config(overrides=[*SMALL, *overrides]), str(root), until)


@pytest.fixture(scope="session")
def fork_server(server):
    """A process that forks others, with Prefect set to the server."""
    start_fork_server(server)


@pytest.fixture
def start_run(fork_server, tmp_path_factory):
    """Starts `atom run` in a process of its own: `start_run(root, ["section.field=value", ...])`."""
    folder, started = tmp_path_factory.mktemp("pipes"), []

    def start(root, settings):
        set_all = [part for setting in settings for part in ("--set", setting)]
        started.append(ForkedAtom(folder, "run", "--store", str(root), *set_all))
        return started[-1]

    yield start
    for process in started:  # those that a failed test left running
        process.kill()
