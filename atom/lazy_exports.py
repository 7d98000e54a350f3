"""The public names of a package, each imported when it is first used, so that `import atom` stays fast.

A package lists its names once, as imports for type checkers and editors:

    if TYPE_CHECKING:
        from atom.generation.generator import Generator

    __all__, __getattr__, __dir__ = lazy_exports(__name__)

`lazy_exports` reads that list from the package's source. PEP 562 describes `__getattr__` and `__dir__` of a module.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from typing import Any


def lazy_exports(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Makes the names that a package imports under `if TYPE_CHECKING:` available at run time.

    Args:
        package: its `__name__`.

    Returns:
        The package's `__all__`, `__getattr__` and `__dir__`.
    """
    module = sys.modules[package]
    origins = _read_type_checking_imports(module.__spec__.loader.get_source(package))  # type: ignore[union-attr]

    def get_attribute(name: str) -> Any:
        if name not in origins:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if origins[name] == package:  # a subpackage, which the import binds in the package
            return importlib.import_module(f"{package}.{name}")
        value = getattr(importlib.import_module(origins[name]), name)
        setattr(module, name, value)  # later uses don't call `__getattr__`
        return value

    def list_attributes() -> list[str]:
        return sorted({*vars(module), *origins})

    return sorted(origins), get_attribute, list_attributes


def _read_type_checking_imports(source: str) -> dict[str, str]:
    """The module of each name that some source imports under `if TYPE_CHECKING:`."""
    return {
        alias.name: node.module or ""
        for block in ast.parse(source).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
