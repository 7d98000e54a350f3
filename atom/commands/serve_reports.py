"""`atom serve-reports`: the runs of a store, their reports and clips, in a browser of this machine."""

from __future__ import annotations

from typing import Annotated

import typer


def serve_reports(
    root: Annotated[str, typer.Option("--store", help="folder or fsspec address of the artifacts")] = "store",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 4280,
    listen: Annotated[
        str,
        typer.Option(help="another address than this machine's own only in a container whose port is closed to others"),
    ] = "127.0.0.1",
) -> None:
    """Show the runs of a store with their reports and clips in a browser of this machine; nothing can be changed."""
    from atom.report.report_server import serve
    from storage import Store

    serve(Store(root), port, listen)


if __name__ == "__main__":
    typer.run(serve_reports)
