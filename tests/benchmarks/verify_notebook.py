"""Executes examples/walkthrough.ipynb from its first cell to its last, in a new kernel and a folder of its own.

    python tests/benchmarks/verify_notebook.py [FILE.ipynb]

It needs the extra `notebook`. FILE gets the notebook with its outputs. The script ends with status 1 if a claim is
missed: every cell runs, all pictures are drawn, and the run has a report.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "walkthrough.ipynb"
PICTURES = 5  # a contact sheet, two clips and two plots
CELL_TIMEOUT = 600  # seconds


def main() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    holds, began = True, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="atom-notebook-") as folder:
        client = NotebookClient(
            notebook, timeout=CELL_TIMEOUT, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        try:
            client.execute()
        except CellExecutionError as error:
            holds = False
            print(error)
        reports = list(Path(folder).glob("outputs/walkthrough/store/runs/*/report.html"))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    finished = sum(cell.execution_count is not None for cell in cells)
    pictures = sum(is_picture(output) for cell in cells for output in cell.outputs)
    claims = {
        f"every cell runs: {finished} of {len(cells)} in {time.monotonic() - began:.0f} s": holds,
        f"all pictures are drawn: {pictures} of {PICTURES}": pictures == PICTURES,
        f"the run has a report: {len(reports)}": len(reports) == 1,
    }
    for claim, is_met in claims.items():
        print(f"{'ok  ' if is_met else 'MISS'} {claim}")
    if len(sys.argv) > 1:
        nbformat.write(notebook, sys.argv[1])
    sys.exit(not all(claims.values()))


def is_picture(output: Any) -> bool:
    return any(kind.startswith("image/") for kind in output.get("data", {}))


if __name__ == "__main__":
    main()
