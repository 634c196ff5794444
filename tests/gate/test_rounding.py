"""What differs by rounding is unchanged and says so; all else is compared as ever."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import PIL.Image
import pytest
import torch
from gate_cases import answers, gate, labels, one, rule, table, write
from rich.console import Console

import vlmbench
from vlmbench.answers.rounding import TOLERANCE
from vlmbench.cli.compare import print_comparison
from vlmbench.gate.compare import compare
from vlmbench.gate.formats.github import to_annotations
from vlmbench.gate.formats.json import to_json
from vlmbench.gate.formats.junit import to_junit
from vlmbench.gate.formats.md import to_markdown
from vlmbench.gate.outcome import Comparison, TaskComparison

N = 60
"""Samples: far too few to exclude a loss of a point."""
REASON = "Every score agrees within 1e-05, and no decision changed: rounding."
DEMO_TASKS = ["demo-digits", "demo-faces", "demo-objects"]


def printed(found: Comparison) -> str:
    console = Console(file=io.StringIO(), width=160, highlight=False)
    print_comparison(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def sides(root: Path, shift: float, wrong: range = range(6), **fields: Any) -> tuple[Path, Path]:
    write(root / "old", table(answers(N, range(6)), labels(N)))
    write(root / "new", table(answers(N, wrong), labels(N), shift=shift), "m", "t", **fields)
    return root / "old", root / "new"


def test_a_few_samples_whose_scores_differ_by_rounding_pass_and_say_why_in_every_format(tmp_path: Path) -> None:
    found = compare(*sides(tmp_path, 1e-6))
    task = one(found)
    assert (found.exit_code, task.verdict) == (0, "unchanged")
    assert task.gain is not None and not task.gain.identical and task.gain.ci95 == (0, 0)
    assert task.rounding is not None and task.rounding.tolerance == TOLERANCE and task.rounding.column == "confidence"
    assert 0 < task.rounding.largest < TOLERANCE
    parts = "Both sides have the same weights, architecture, image transform, tokenizer and precision."
    written = {"terminal": " ".join(printed(found).split()), "md": to_markdown(found)}
    written |= {"github": to_annotations(found), "junit": to_junit(found)}
    for name, text in written.items():
        assert REASON in text and parts in text, name
    assert next(ET.fromstring(written["junit"]).iter("testsuites")).get("failures") == "0"
    assert Comparison.model_validate_json(to_json(found)) == found and '"rounding": {' in to_json(found)


def test_the_same_answers_to_the_last_bit_are_identical_and_need_no_tolerance(tmp_path: Path) -> None:
    task = one(compare(*sides(tmp_path, 0)))
    assert task.verdict == "unchanged" and task.rounding is None and task.gain is not None and task.gain.identical


@pytest.mark.parametrize(
    ("shift", "wrong", "said"),
    [
        (1e-3, range(6), "Both sides have the same weights"),
        (1e-6, range(7), "Both sides have the same weights"),
        (1e-6, range(1, 7), "Both sides have the same weights"),
    ],
    ids=["scores", "a loss", "a loss and a gain"],
)
def test_equal_weights_are_no_reason(tmp_path: Path, shift: float, wrong: range, said: str) -> None:
    found = compare(*sides(tmp_path, shift, wrong))
    assert found.exit_code == 1 and one(found).verdict == "inconclusive" and one(found).rounding is None
    assert said in to_markdown(found)


@pytest.mark.parametrize(
    ("fields", "allow", "part"),
    [
        ({"model__preprocess": "another mean"}, (), "image transform"),
        ({"model__tokenizer": "another"}, (), "tokenizer"),
        ({"run__precision": "bf16"}, "precision", "precision"),
        ({"task__prompts_sha256": "other"}, "prompts", None),
        ({"task__version": "2.1"}, "version", None),
    ],
)
def test_another_transform_precision_or_prompt_is_a_real_change(
    tmp_path: Path, fields: dict[str, Any], allow: str, part: str | None
) -> None:
    found = compare(*sides(tmp_path, 1e-6, **fields), allow=allow)
    task = one(found)
    assert (found.exit_code, task.verdict, task.rounding) == (1, "inconclusive", None)
    assert task.unlike == ([] if part is None else [part])
    assert part is None or f"but not the same {part}." in to_markdown(found)


def test_other_weights_are_told_by_their_scores(tmp_path: Path) -> None:
    found = compare(*sides(tmp_path / "near", 1e-6, model__weights_sha256="saved again"))
    assert found.exit_code == 0 and one(found).rounding is not None
    assert f"{REASON} The two sides have different weights." in to_markdown(found)
    assert compare(*sides(tmp_path / "far", 1e-3, model__weights_sha256="trained on")).exit_code == 1


def test_floors_and_demands_see_no_change_in_rounding(tmp_path: Path) -> None:
    old, new = sides(tmp_path, 1e-6)
    for floor in ({"max_class_drop": 0, "class_evidence": "observed"}, {"max_class_drop": "1 point"}):
        assert compare(old, new, gate=rule(**floor)).exit_code == 0
    found = compare(old, new, gate=rule(must_improve=True))
    assert (found.verdict, one(found).verdict) == ("failed", "unchanged")
    assert compare(old, new, gate=gate(defaults={"tolerance": "1 point"})).exit_code == 0


def test_an_older_version_is_named_and_exits_with_3(tmp_path: Path) -> None:
    found = compare(*sides(tmp_path, 0, task__version="9.9"))
    assert found.exit_code == 3 and one(found).mismatches[0].kind == "version"
    for text in (printed(found), to_markdown(found), to_annotations(found), to_junit(found)):
        line = " ".join(text.replace("\\", "").split())
        assert "Different task.version: baseline classification 1.1; candidate classification 9.9" in line
        assert "Run the older side again" in line


def run(root: Path, model: str = "demo-clip", threads: int = 1, **settings: Any) -> Path:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        vlmbench.evaluate(model, DEMO_TASKS, results=root, limit=24, use_cache=False, **settings)
    finally:
        torch.set_num_threads(before)
    return root


def tasks(found: Comparison) -> dict[str, TaskComparison]:
    return {task.task: task for task in found.tasks}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's model, image by image."""
    return run(tmp_path_factory.mktemp("single"), batch_size=1)


@pytest.mark.parametrize(("batch_size", "threads"), [(8, 1), (24, 2)])
def test_batch_size_and_threads_change_nothing(single: Path, tmp_path: Path, batch_size: int, threads: int) -> None:
    found = compare(single, run(tmp_path, threads=threads, batch_size=batch_size))
    assert found.exit_code == 0 and {task.verdict for task in found.tasks} == {"unchanged"}
    assert any(task.rounding is not None for task in found.tasks), "the scores are the same to the last bit"


def test_another_resize_behind_the_same_identity_is_caught(
    single: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a library resizes otherwise than its last version did: weights and transform are called the same."""
    resize = PIL.Image.Image.resize

    def otherwise(image: PIL.Image.Image, size: tuple[int, int], resample: Any = None, *rest: Any) -> PIL.Image.Image:
        return resize(image, size, PIL.Image.Resampling.BILINEAR, *rest)

    monkeypatch.setattr(PIL.Image.Image, "resize", otherwise)
    found = compare(single, run(tmp_path, batch_size=1))
    assert found.exit_code == 1 and not any(task.rounding for task in found.tasks)
    assert all({"weights", "image transform"} <= set(task.equal) for task in found.tasks)
