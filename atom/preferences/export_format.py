"""The formats of exported preferences, in a light module: the command line needs their names alone."""

from typing import Literal

ExportFormat = Literal["atom", "datasets", "trl"]
