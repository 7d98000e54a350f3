#!/usr/bin/env bash
# mlflow-skinny 3.17.2: the active run belongs to the thread that started it. A metric that another thread logs between
# start_run and end_run, such as a trainer's logging thread, opens a second run with an invented name, which stays
# RUNNING for ever; the run that was started ends as FINISHED without any metric, and nothing is raised. A thread must
# name the run: MlflowClient().log_metric(run_id, ...).
# Seen: "mine: FINISHED, 0 metrics", "a second run: RUNNING, 1 metric".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow-skinny==3.17.2 sqlalchemy alembic
cat >"$folder/show.py" <<'PYTHON'
import threading
from importlib.metadata import version

import mlflow

mlflow.set_tracking_uri("sqlite:///runs.db")
mlflow.start_run(run_name="mine")
thread = threading.Thread(target=lambda: mlflow.log_metrics({"loss": 1.0}, step=1))
thread.start()
thread.join()
mlflow.end_run()
client = mlflow.MlflowClient()
runs = client.search_runs(["0"])
mine = [run for run in runs if run.info.run_name == "mine"]
others = [run for run in runs if run.info.run_name != "mine"]
print("mlflow-skinny", version("mlflow-skinny"))
print(f"mine: {mine[0].info.status}, {len(mine[0].data.metrics)} metrics")
for run in others:
    print(f"a second run: {run.info.status}, {len(run.data.metrics)} metric")
surprises = len(others) == 1 and others[0].info.status == "RUNNING" and not mine[0].data.metrics
raise SystemExit(0 if surprises else 1)
PYTHON
cd "$folder" && "$folder/venv/bin/python" "$folder/show.py" 2>/dev/null
