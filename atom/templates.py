"""Jinja environments of the packages that write HTML."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def template_environment(package: str) -> Environment:
    """The environment of the folder `templates` in a package such as "atom.report". Every value is HTML-escaped, and a
    name that a template uses without being given it is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
