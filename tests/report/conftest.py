"""Finished runs for all tests of reports, computed once and only read."""

import pytest
from report_runs import evaluated_run, paired_run

from atom.report.report_builder import build_report
from atom.report.run_tables import RunTables


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A store with the runs "evaluated", "bolder" (the same with another beta) and "paired"."""
    root = tmp_path_factory.mktemp("reports") / "store"
    evaluated_run(root)
    evaluated_run(root, "bolder", beta=0.5)
    return paired_run(root)


@pytest.fixture(scope="session")
def tables(finished):
    return RunTables(finished, finished.run("evaluated"))


@pytest.fixture(scope="session")
def report(tables):
    return build_report(tables)


@pytest.fixture(scope="session")
def paired(finished):
    return RunTables(finished, finished.run("paired"))
