"""Dependencies point down only: flows -> atom -> storage."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {"storage": {"atom", "flows", "prefect"}, "atom": {"flows", "prefect"}}


@pytest.mark.parametrize("package", FORBIDDEN)
def test_no_layer_imports_the_one_above(package):
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            above = {name.split(".")[0] for name in names} & FORBIDDEN[package]
            assert not above, f"{path.relative_to(ROOT)} imports {above}"
