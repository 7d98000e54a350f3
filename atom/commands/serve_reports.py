"""`atom serve-reports`: a local web server for the runs of a store, with their reports and clips."""

from __future__ import annotations

from typing import Annotated

import typer

from atom.commands.options import StoreOption


def serve_reports(
    root: StoreOption = "store",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 4280,
    listen: Annotated[
        str,
        typer.Option(help="address to listen on; change it only in a container whose port others can't reach"),
    ] = "127.0.0.1",
) -> None:
    """Serve the runs of a store, with their reports and clips, to a browser on this machine. Nothing can be changed."""
    from atom.report.report_server import serve
    from storage import Store

    serve(Store(root), port, listen)


if __name__ == "__main__":
    typer.run(serve_reports)
