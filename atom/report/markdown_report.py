"""A report as Markdown, with the plots as separate files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atom.markdown import escape_markdown, markdown_table
from atom.report.facts import Evidence, ExampleSet, MotionPair, RunReport
from atom.report.sections import ReportSection, ReportSections


def render_markdown_report(report: RunReport, sections: ReportSections, plots: bool = True) -> str:
    """Renders a report as Markdown. Motions are described in words.

    Args:
        report: the facts.
        sections: from `build_sections`.
        plots: whether to link the plots, whose files must be in the same folder.

    Returns:
        The document.
    """
    parts = [
        f"# {escape_markdown(report.name)}: report of an AToM run",
        f"Run {escape_markdown(report.run_id)}, started {report.created_at[:16].replace('T', ' ')} UTC, "
        f"{escape_markdown(report.state)}.",
        "## Summary",
        *(escape_markdown(sentence, None) for sentence in report.summary),
        *(_render_section(section, plots) for section in sections.results),
    ]
    if report.examples:
        parts += [
            "## Examples",
            "The rules below chose these examples. Times are seconds from the start of the motion.",
        ]
        parts += [part for examples in report.examples for part in _render_examples(examples)]
    parts += [_render_section(section, plots) for section in sections.methods]
    return "\n\n".join(parts) + "\n"


def _render_section(section: ReportSection, plots: bool) -> str:
    """Folded tables are in the HTML page and the data only."""
    parts = [f"## {section.title}", *(escape_markdown(note, None) for note in section.notes)]
    if plots:
        parts += [f"![{escape_markdown(plot.alt, None)}]({plot.name}.png)" for plot in section.plots]
    tables = [table for table in section.tables if not table.folded]
    for table in tables:
        parts += [f"### {escape_markdown(table.label)}"] if len(tables) > 1 else []
        parts.append(markdown_table(table.header, table.rows))
    for name, text in section.code.items():
        parts += [f"### {name}", _fence_code(text)]
    return "\n\n".join(parts)


def _render_examples(examples: ExampleSet) -> Iterator[str]:
    yield f"### {escape_markdown(examples.title)}"
    yield escape_markdown(examples.rule, None)
    header = ("prompt", "task", "motion", "score", "what the judge saw")
    rows = [row for pair in examples.examples for row in _example_rows(pair)]
    yield markdown_table(header, rows) if rows else "None."


def _example_rows(pair: MotionPair) -> Iterator[tuple[str, ...]]:
    for motion in pair.sides:
        evidence = "; ".join(_describe_group(group) for group in motion.evidence_by_group) or motion.rationale
        score = "none" if motion.score is None else f"{motion.score:.1f}"
        yield pair.prompt, pair.task, f"{motion.arm} {motion.motion_id}", score, evidence


def _describe_group(group: Sequence[Evidence]) -> str:
    words = "; ".join(f"{evidence.name}: {evidence.state}, {evidence.description}" for evidence in group)
    return words if len(group) == 1 else f"at the same time ({words})"


def _fence_code(text: str) -> str:
    """A code block whose fence is longer than any run of backticks in the text."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text.rstrip()}\n{fence}"
