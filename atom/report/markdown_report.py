"""A report as Markdown, with the plots as files beside it."""

from __future__ import annotations

from collections.abc import Iterator

from atom.markdown import escape_markdown, markdown_table
from atom.report.facts import Evidence, Example, ExampleSet, RunReport
from atom.report.sections import Section, Sections


def render_markdown_report(report: RunReport, sections: Sections, plots: bool = True) -> str:
    """The facts of the page; what can be turned and scrubbed there is told in words. With `plots` their files are to
    lie beside it, without them what they show is in the tables."""
    parts = [
        f"# {escape_markdown(report.name)}: report of an AToM run",
        f"Run {escape_markdown(report.run_id)}, begun {report.created_at[:16].replace('T', ' ')} UTC, {escape_markdown(report.state)}.",
        "## Summary",
        *(escape_markdown(sentence, None) for sentence in report.summary),
        *(_section(section, plots) for section in sections.results),
    ]
    if report.examples:
        parts += ["## Examples", "Chosen by the rules below, not by hand. Times are seconds into the motion."]
        parts += [part for chosen in report.examples for part in _examples(chosen)]
    parts += [_section(section, plots) for section in sections.making]
    return "\n\n".join(parts) + "\n"


def _section(section: Section, plots: bool) -> str:
    """Folded tables are left to the page and the data."""
    parts = [f"## {section.title}", *(escape_markdown(note, None) for note in section.notes)]
    if plots:
        parts += [f"![{escape_markdown(plot.alt, None)}]({plot.name}.png)" for plot in section.plots]
    tables = [table for table in section.tables if not table.folded]
    for table in tables:
        parts += [f"### {escape_markdown(table.label)}"] if len(tables) > 1 else []
        parts.append(markdown_table(table.head, table.rows))
    for name, text in section.code.items():
        parts += [f"### {name}", _fenced(text)]
    return "\n\n".join(parts)


def _examples(chosen: ExampleSet) -> Iterator[str]:
    yield f"### {escape_markdown(chosen.title)}"
    yield escape_markdown(chosen.rule, None)
    head = ("prompt", "task", "motion", "score", "what the judge saw")
    yield (
        markdown_table(head, [row for example in chosen.examples for row in _rows(example)])
        if chosen.examples
        else "None."
    )


def _rows(example: Example) -> Iterator[tuple[str, ...]]:
    for side in example.sides:
        saw = "; ".join(_saw(found) for found in side.evidence) or side.rationale
        score = "none" if side.score is None else f"{side.score:.1f}"
        yield example.prompt, example.task, f"{side.arm} {side.motion_id}", score, saw


def _saw(found: Evidence) -> str:
    return f"{found.action.replace('_', ' ')}: {found.state}, {found.in_words}"


def _fenced(text: str) -> str:
    """Code that no run of backticks within it can end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text.rstrip()}\n{fence}"
