"""README and docs/: links resolve, commands exist with their options, Python compiles, and marked blocks run.

A block after a line `<!-- run -->` is run, after the marked blocks before it on the same page.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from atom.cli import find_commands
from atom.commands.lazy_commands import LazyCommand
from atom.config import RunConfig, renamed

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
CURRENT = [name for name in NAMES if name != "CHANGELOG.md"]  # which names old keys and commands
RUN = "<!-- run -->"
README_LINES = 200
OWN_OPTIONS = ("--help", "--version", "--install-completion", "--show-completion")  # of `atom` itself
INCOMPLETE = ("missing", "has no command ''", "requires an argument")  # how a command in a sentence may be

_LINK = re.compile(r"(!?)\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^()\s]+)\)")
_INLINE_CODE = re.compile(r"(`+)(.+?)\1")
_MAKE = re.compile(r"^([a-z-]+):", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its language, its text, the line where it starts, and whether it is marked to be run."""

    language: str
    text: str
    line: int
    is_marked: bool


def read_blocks(page):
    blocks, fence, marked = [], None, False
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        if line.startswith("```"):
            if fence is None:
                fence = (line[3:].strip(), number, marked, [])
            else:
                blocks.append(Block(fence[0], "\n".join(fence[3]) + "\n", fence[1], fence[2]))
                fence = None
            marked = False
        elif fence is not None:
            fence[3].append(line)
        elif line.strip():
            marked = line.strip() == RUN
    assert fence is None, f"{page.name}: the block of line {fence[1]} has no end"
    return blocks


def prose(page):
    """The text of a page without blocks of code."""
    kept, inside = [], False
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def anchors(page):
    """The anchors of a page's headings, as GitHub and Python-Markdown make them."""
    found, seen = set(), {}
    for line in prose(page).splitlines():
        if heading := re.match(r"#{1,6}\s+(.+)", line):
            text = re.sub(r"[^\w\s-]", "", heading[1].strip().lower())
            slug = re.sub(r"\s+", "-", text)
            found.add(slug if slug not in seen else f"{slug}-{seen[slug]}")
            seen[slug] = seen.get(slug, 0) + 1
    return found


def command_lines(text):
    """The `atom` commands in a block of shell: lines that end in a backslash are joined, comments left out."""
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
        lexer.whitespace_split, lexer.commenters = True, "#"
        words = []
        for word in [*lexer, ";"]:
            if word and set(word) <= set("|;&<>"):
                if words and words[0] == "atom":
                    yield words[1:]
                words = []
            else:
                words.append(word)


@cache
def load_command(name):
    return LazyCommand(name, find_commands()[name]).load()


def check_command(words):
    """What is wrong with the arguments of an `atom` command; None if it could be called."""
    if not words or (len(words) == 1 and words[0] in OWN_OPTIONS):
        return None
    name, *rest = words
    if name not in find_commands():
        return f"there is no command {name}"
    command = load_command(name)
    while hasattr(command, "commands") and rest != ["--help"]:
        rest = leave_group(command, rest)
        if not rest or rest[0] not in command.commands:
            return f"{name} has no command {rest[0] if rest else ''!r}"
        command, rest = command.commands[rest[0]], rest[1:]
    context = command.context_class(command, info_name=name)
    try:
        # The parser alone: it knows names and numbers of values, and neither opens files nor calls anything.
        values, left, _ = command.make_parser(context).parse_args(args=list(rest))
    except Exception as error:
        return getattr(error, "message", None) or str(error)
    if left:
        return f"more arguments than it takes: {left}"
    arguments = [each for each in command.params if each.param_type_name == "argument" and each.required]
    missing = [each.name for each in arguments if values.get(each.name) in (None, (), [])]
    return f"missing {missing}" if missing and rest != ["--help"] else None


def leave_group(group, words):
    """The words after a group's own options, with the name of its default command where that is left out."""
    context = group.context_class(group, info_name=group.name, resilient_parsing=True)
    group.parse_args(context, list(words))
    return [*getattr(context, "_protected_args", []), *context.args]


def shell_blocks(page):
    return [block for block in read_blocks(page) if block.language in ("sh", "bash", "shell")]


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_every_page_is_in_the_navigation():
    def pages(entries):
        for entry in entries:
            for target in entry.values():
                yield from pages(target) if isinstance(target, list) else [target]

    listed = list(pages(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))
    readme = (ROOT / "README.md").read_text()
    assert [name for name in listed if name != "index.md" and f"(docs/{name})" not in readme] == []


@pytest.mark.parametrize("name", NAMES)
def test_links_and_anchors_resolve(name):
    page, broken = ROOT / name, []
    for _, target in _LINK.findall(_INLINE_CODE.sub("", prose(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.is_file() or not found.is_relative_to(ROOT):
            broken.append(f"{target}: there is no such file")
        elif DOCS in page.parents and DOCS not in found.parents:
            broken.append(f"{target}: the site has no files outside of docs/")
        elif anchor and anchor not in anchors(found):
            broken.append(f"{target}: {found.name} has no such heading; it has {sorted(anchors(found))}")
    assert broken == []


@pytest.mark.parametrize("name", CURRENT)
def test_atom_commands_exist_with_their_options(name):
    page, wrong = ROOT / name, []
    for block in shell_blocks(page):
        for words in command_lines(block.text):
            if fault := check_command(words):
                wrong.append(f"line {block.line}: atom {shlex.join(words)}: {fault}")
    for _, code in _INLINE_CODE.findall(prose(page)):
        # In a sentence a command may stand without its arguments, but its name and options must exist.
        if not code.startswith("atom ") or "..." in code:
            continue
        fault = check_command(shlex.split(code)[1:])
        if fault and not any(words in fault for words in INCOMPLETE):
            wrong.append(f"`{code}`: {fault}")
    assert wrong == []


@pytest.mark.parametrize("name", NAMES)
def test_make_targets_exist(name):
    targets = set(_MAKE.findall((ROOT / "Makefile").read_text()))
    page = ROOT / name
    lines = [line for block in shell_blocks(page) for line in block.text.splitlines()]
    lines += [code for _, code in _INLINE_CODE.findall(prose(page))]
    used = {
        word
        for line in lines
        if re.match(r"(?:[A-Z_]+=\S+ )*make ", line)
        for word in line.split("#")[0].split("make ", 1)[1].split()
        if "=" not in word
    }
    assert used <= targets


def has_config_key(key):
    section = RunConfig
    for name in key.split("."):
        fields = getattr(section, "model_fields", {})
        if name not in fields:
            return False
        annotation = fields[name].annotation
        section = next((kind for kind in [annotation, *get_args(annotation)] if isinstance(kind, type)), None)
    return True


@pytest.mark.parametrize("name", CURRENT)
def test_config_keys_exist(name):
    page = ROOT / name
    sections = "|".join(key for key, field in RunConfig.model_fields.items() if isinstance(field.annotation, type))
    found = re.findall(r"--(?:set|over) (?:\"|')?([\w.]+)=", "\n".join(block.text for block in shell_blocks(page)))
    for _, code in _INLINE_CODE.findall(prose(page)):
        if key := re.fullmatch(rf"(?:--(?:set|over|try) )?((?:{sections})\.[\w.]+)(?:=.*)?", code):
            found.append(key[1])
    endings = (".json", ".jsonl", ".parquet", ".py", ".md", ".yaml")
    assert [key for key in found if not key.endswith(endings) and not has_config_key(key)] == []


def test_the_changelog_lists_every_renamed_key():
    rows = (ROOT / "CHANGELOG.md").read_text().splitlines()
    assert [key for key in renamed._KEYS if not any(row.startswith(f"| `{key}` | `") for row in rows)] == []


@pytest.mark.parametrize("name", NAMES)
def test_python_blocks_compile(name):
    for block in read_blocks(ROOT / name):
        if block.language == "python":
            compile(block.text, f"{name}:{block.line}", "exec")


def literals():
    """The string literals of the source; what an f-string fills in is a null character."""
    for path in (path for folder in ("atom", "flows", "storage") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                yield "".join(each.value if isinstance(each, ast.Constant) else "\0" for each in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_troubleshooting_quotes_messages_that_exist():
    source = list(literals())
    rows = [
        line.split(" | ")[0] for line in (DOCS / "troubleshooting.md").read_text().splitlines() if line[:3] == "| `"
    ]
    messages = [code for row in rows for _, code in _INLINE_CODE.findall(row)]
    unknown = []
    for message in messages:
        pieces = [piece.strip() for piece in message.strip().split("...")]
        pieces = [piece for piece in pieces if len(piece) > 3]
        if pieces and not any(all(piece in literal for piece in pieces) for literal in source):
            unknown.append(message)
    assert len(messages) > 100 and unknown == []


@pytest.fixture(scope="module")
def run_block(tmp_path_factory):
    """Runs a block in a folder that all pages share. One that stands on several pages is run once."""
    folder, finished = tmp_path_factory.mktemp("docs"), set()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(block, place):
        if (block.language, block.text) in finished:
            return
        if block.language == "python":  # in this process, which has imported torch already
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                exec(compile(block.text, place, "exec"), {"__name__": "__docs__"})
        else:
            environment = {**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"}
            command, options = ["bash", "-eu"], {"capture_output": True, "text": True, "timeout": 300}
            done = subprocess.run(command, input=block.text, cwd=folder, env=environment, **options)
            assert done.returncode == 0, f"{place}:\n{done.stdout}\n{done.stderr}"
        finished.add((block.language, block.text))

    return run


@pytest.mark.parametrize("name", [name for name in NAMES if any(b.is_marked for b in read_blocks(ROOT / name))])
def test_marked_blocks_run(name, run_block):
    for block in read_blocks(ROOT / name):
        if block.is_marked:
            run_block(block, f"{name}, line {block.line}")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("atom generate TEXT -o out.mp4", None),
        ("atom judge out.npy TEXT --by vision", None),
        ("atom judge compare A.npy B.npy TEXT", None),
        ("atom run --sett tuning.beta=0.2", "--sett"),
        ("atom motions paint out.npy", "paint"),
        ("atom serve-judge", "serve-judge"),
        ("atom generate -o out.mp4", "text"),
        ("atom runs list extra", "extra"),
    ],
)
def test_the_check_of_commands_finds_faults(line, fault):
    (words,) = command_lines(line)
    found = check_command(words)
    assert found is None if fault is None else fault in (found or "")
