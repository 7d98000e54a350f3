"""The public names of `atom` and its packages: they are lazy, listed in docs/python-api.md, and documented."""

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import atom
from atom.lazy_exports import lazy_exports

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "python-api.md"
PACKAGES = [
    "atom",
    "atom.evaluation",
    "atom.external",
    "atom.generation",
    "atom.judging",
    "atom.motion",
    "atom.preferences",
    "atom.prompts",
    "atom.rendering",
    "atom.tuning",
]
HEAVY = ("torch", "pyarrow", "pandas", "prefect", "numpy", "scipy", "numba", "transformers", "pydantic", "storage")


def exports(package):
    """The functions and classes that a package exports, by name."""
    module = importlib.import_module(package)
    members = {name: getattr(module, name) for name in module.__all__}
    return {name: member for name, member in members.items() if not inspect.ismodule(member)}


EXPORTS = {f"{package}.{name}": member for package in PACKAGES for name, member in exports(package).items()}


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_importing_the_packages_imports_nothing_heavy():
    code = f"import sys, {', '.join(PACKAGES)}; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_python(code).strip() == "[]"


def test_a_name_is_imported_on_first_use_and_then_stays():
    code = "import sys, atom; print('atom.errors' in sys.modules, 'AtomError' in vars(atom))\n"
    code += "atom.AtomError; print('atom.errors' in sys.modules, 'AtomError' in vars(atom), atom.tuning.__name__)"
    assert run_python(code).splitlines() == ["False False", "True True atom.tuning"]


@pytest.mark.slow
def test_star_imports_dir_and_help_show_the_names():
    names = {}
    exec("from atom.preferences import *", names)
    assert {"build_pairs", "ScoredMotion"} <= set(names)
    assert {"build_pairs", "ScoredMotion", "__doc__"} <= set(dir(importlib.import_module("atom.preferences")))
    text = run_python("import pydoc, atom.preferences; print(pydoc.plaintext.document(atom.preferences))")
    assert "build_pairs(" in text and "class ScoredMotion" in text


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'atom' has no attribute 'aline'"):
        _ = atom.aline
    with pytest.raises(ImportError, match="aline"):
        exec("from atom import aline")


def test_only_the_block_for_type_checkers_is_exported(tmp_path, monkeypatch):
    (tmp_path / "small_package").mkdir()
    source = "from typing import TYPE_CHECKING\nfrom os import sep\nif TYPE_CHECKING:\n    from json import dumps\n"
    (tmp_path / "small_package" / "__init__.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("small_package")
    names, get_attribute, list_attributes = lazy_exports("small_package")
    assert names == ["dumps"] and get_attribute("dumps")([1]) == "[1]"
    assert {"dumps", "sep"} <= set(list_attributes())
    with pytest.raises(AttributeError):
        get_attribute("loads")


def test_each_name_has_one_place():
    names = [name for package in PACKAGES for name in exports(package)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("package", PACKAGES[1:])
def test_no_name_hides_a_module(package):
    folder = ROOT / package.replace(".", "/")
    modules = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.iterdir() if path.is_dir()}
    assert modules & set(importlib.import_module(package).__all__) == set()


def documented_names():
    """The names in the tables of the page whose header names a module: {module: names}."""
    found, module = {}, None
    for line in PAGE.read_text().splitlines():
        if header := re.match(r"\| `((?:atom|storage)[\w.]*)` \|", line):
            module = header[1]
            found.setdefault(module, set())
        elif line.startswith("| ") and module:
            found[module] |= set(re.findall(r"`([A-Za-z_]\w*)`", line.split(" | ")[0]))
        elif not line.startswith("|"):
            module = None
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_the_page_lists_what_a_package_exports_and_nothing_else(package):
    assert documented_names()[package] == set(exports(package))


def test_other_modules_on_the_page_have_the_names_it_lists():
    others = {module: names for module, names in documented_names().items() if module not in PACKAGES}
    assert {"atom.config", "atom.events", "storage"} <= set(others)
    missing = [
        f"{module}.{name}"
        for module, names in others.items()
        for name in names
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


def documented_parts(name, member):
    """(name, member) of an export, and of each public method and property of its class."""
    yield name, member
    for method, value in vars(member).items() if inspect.isclass(member) else ():
        value = getattr(value, "__func__", value)  # of a class method
        value = inspect.unwrap(value) if callable(value) else value
        is_public = not method.startswith("_") or (method == "__call__" and member.__doc__)
        if is_public and (inspect.isfunction(value) or isinstance(value, property)):
            yield f"{name}.{method}", value


def read_section(doc, *titles):
    """The text of a section of a docstring; empty where there is none."""
    match = re.search(rf"^(?:{'|'.join(titles)}):\n((?:[ \t]+.*\n?|\n)+)", doc, re.MULTILINE)
    return match[1] if match else ""


def has_raise(function):
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def missing_entries(section, names):
    return [name for name in names if not re.search(rf"^ +{name}: ", section, re.MULTILINE)]


def find_gaps(name, member):
    """What the docstring of a function, class or property lacks."""
    doc = inspect.getdoc(member) or ""
    if not doc:
        return [f"{name}: no docstring"]
    if isinstance(member, property) or (inspect.isclass(member) and getattr(member, "_is_protocol", False)):
        return []
    if dataclasses.is_dataclass(member):
        fields = [field.name for field in dataclasses.fields(member) if not field.name.startswith("_")]
        missing = missing_entries(read_section(doc, "Attributes"), fields)
        return [f"{name}: Attributes lacks {field}" for field in missing]
    function = member
    if inspect.isclass(member):
        if "__init__" not in vars(member):
            return []
        function = member.__init__
        doc += "\n" + (inspect.getdoc(function) or "")
    signature = inspect.signature(function)
    parameters = [parameter for parameter in signature.parameters if parameter not in ("self", "cls")]
    gaps = [f"{name}: Args lacks {each}" for each in missing_entries(read_section(doc, "Args"), parameters)]
    gives_something = signature.return_annotation not in (None, "None", inspect.Signature.empty)
    if gives_something and not read_section(doc, "Returns", "Yields"):
        gaps.append(f"{name}: no Returns")
    if has_raise(function) and not read_section(doc, "Raises"):
        gaps.append(f"{name}: no Raises")
    return gaps


def test_docstrings_are_complete():
    parts = [part for name, member in EXPORTS.items() for part in documented_parts(name, member)]
    assert len(parts) > 120
    assert [gap for part in parts for gap in find_gaps(*part)] == []


def test_the_check_of_docstrings_finds_gaps():
    def undocumented(motion: int) -> int: ...

    def incomplete(motion: int, fps: int) -> int:
        """Does something.

        Args:
            motion: a motion.
        """
        raise ValueError

    @dataclasses.dataclass
    class Pose:
        """A pose.

        Attributes:
            joints: (22, 3).
        """

        joints: int
        frame: int

    assert find_gaps("f", undocumented) == ["f: no docstring"]
    assert find_gaps("f", incomplete) == ["f: Args lacks fps", "f: no Returns", "f: no Raises"]
    assert find_gaps("Pose", Pose) == ["Pose: Attributes lacks frame"]
