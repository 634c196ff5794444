"""The demo's boxes, end to end with the demo's own checkpoint on a few scenes."""

from __future__ import annotations

from pathlib import Path

from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions


def test_demo_clip_names_the_shapes_in_their_boxes(tmp_path: Path) -> None:
    request = RunRequest(
        models=("demo-clip",),
        tasks=("demo-detection",),
        results=tmp_path,
        device="cpu",
        options=TaskOptions(limit=12),
    )
    (result,) = execute(make_plan(request), request, NotesAsWarnings())
    assert result.status == "done" and result.record is not None
    metrics = result.record.metrics
    assert (metrics["ap"].value or 0) > 0.5 and (metrics["mean_class_accuracy_top1"].value or 0) > 0.5
    assert (metrics["mean_class_accuracy_top5"].value or 0) >= (metrics["mean_class_accuracy_top1"].value or 0)
    assert metrics["ap_large"].value is None, "no scene is large enough for an object of 96 x 96 pixels"
