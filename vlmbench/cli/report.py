"""``vlmbench report``: tables from records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmbench.errors import UsageError

TABLES = {"results": "the main metric of every (model, task) pair", "metrics": "every metric of every pair"}
FORMATS = ("text", "md", "csv", "json")


def report(
    table: Annotated[str, typer.Argument(help="results (main metrics) or metrics (all of them).")] = "results",
    results: Annotated[Path, typer.Option(help="The results folder.")] = Path("results/runs"),
    format: Annotated[str, typer.Option("--format", "-f", help="text, md, csv or json.")] = "text",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to a file.")] = None,
) -> None:
    """Print what the records of a results folder hold. Scores are percent in text and Markdown, fractions elsewhere."""
    from vlmbench.cli.console import rich_table, stderr, stdout, write_output
    from vlmbench.registry import did_you_mean
    from vlmbench.reports.results import results_table
    from vlmbench.reports.table import to_csv, to_json, to_markdown
    from vlmbench.store import ResultStore

    if table not in TABLES:
        raise UsageError(f"unknown table {table!r}", hint=did_you_mean(table, TABLES))
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}", hint=did_you_mean(format, FORMATS))
    results = results.expanduser()
    if not results.is_dir():
        raise UsageError(f"no results folder {str(results)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    made = results_table(ResultStore(results).summaries(), title="", all_metrics=table == "metrics")
    for note in made.notes:
        stderr().print(f"note: {note}", style="yellow", soft_wrap=True, markup=False)
    if not made.rows and format == "text":
        raise UsageError(f"no records in {str(results)!r}", hint="Make some with `vlmbench run`.")
    if format == "text" and output is None:
        console = stdout()
        console.print(rich_table(made, console.width))
        return
    writers = {"md": to_markdown, "csv": to_csv, "json": to_json, "text": to_markdown}
    write_output(writers[format](made), output)
