"""The page of frames says what the code does, and its notebook runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from frames_table import PAGE, page
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager

from vlmbench.reports.builders.survey_results import survey_results_table
from vlmbench.reports.entries import Entries
from vlmbench.reports.registry import TableRequest
from vlmbench.reports.table_view import TableView
from vlmbench.reports.tables.classification import SURVEY
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_record

NOTEBOOK = PAGE.parent / "notebooks" / "table6.ipynb"


class ThisPython(KernelSpecManager):  # type: ignore[misc]
    """The kernel is this very Python, whatever kernels the machine has."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


def _output(cell: Any, kind: str) -> str:
    return "".join(output["text"] if kind == "stream" else output["data"][kind] for output in cell["outputs"])


def test_the_tables_are_made_from_the_code() -> None:
    text = PAGE.read_text()
    assert page(text) == text, "python docs/frames_table.py"
    assert "| `value` | `float64` |" in text and '`predictions_frame(RECORD, "caption")`' in text


def test_the_notebook_makes_table_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ResultStore(tmp_path / "results" / "runs").write(make_record("mine", "cifar10", value=0.5), None)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # outputs are not kept: they would go stale
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.create_kernel_manager()
    client.km.kernel_spec_manager = ThisPython()
    client.execute()
    cells = {cell["metadata"].get("name"): cell for cell in notebook.cells}
    shown = json.loads(_output(cells["json"], "stream"))
    printed = survey_results_table(SURVEY, TableRequest("classification", Entries(), TableView()))
    expected = {(datum["model"], datum["task"], datum.get("image_encoder"), datum["value"]) for datum in printed.data}
    assert {(row["model"], row["task"], row["image_encoder"], row["value"]) for row in shown} == expected
    latex = _output(cells["latex"], "stream")
    assert latex.startswith(r"\begin{tabular}") and r"\toprule" in latex and "76.2" in latex
    assert "mine" in latex and "50.0" in latex
