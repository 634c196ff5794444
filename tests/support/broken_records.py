"""Sixty ways in which a file of a results folder can be broken, and a folder that holds each once."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gate_cases import answers, labels, table, write

from vlmbench.store import MOST_RECORD_BYTES

MODELS, TASKS = 10, 94
"""Sound records without predictions: one of each model on each task."""
PAIRED, PAIRED_TASKS = "paired", 10
"""A model with predictions, and its records."""
SOUND = MODELS * TASKS + PAIRED_TASKS
Break = Callable[[Path, dict[str, Any]], object]
"""Puts something broken at a path; given the content of a sound record that would belong there."""


def _set(place: str, value: object) -> Break:
    """A record with one field of another value, written as JSON with NaN and Infinity."""

    def broken(path: Path, data: dict[str, Any]) -> None:
        *parents, last = place.split(".")
        part = data
        for name in parents:
            part = part[name]
        part[last] = value
        path.write_text(json.dumps(data))

    return broken


def _without(place: str) -> Break:
    def broken(path: Path, data: dict[str, Any]) -> None:
        del data[place]
        path.write_text(json.dumps(data))

    return broken


def _text(content: str | bytes) -> Break:
    return lambda path, _: path.write_bytes(content if isinstance(content, bytes) else content.encode())


def _changed(old: str, new: str) -> Break:
    """The text of a sound record with something replaced."""

    def broken(path: Path, data: dict[str, Any]) -> None:
        text = json.dumps(data)
        assert old in text
        path.write_bytes(text.replace(old, new).encode("utf-8", "surrogatepass"))

    return broken


def _too_large(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data))
    with path.open("r+b") as file:
        file.truncate(MOST_RECORD_BYTES + 1)  # a hole: it takes no space


def _socket(path: Path, _: dict[str, Any]) -> None:
    place = os.getcwd()
    os.chdir(path.parent)  # a socket's path has at most about 100 characters
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(place)


ADAPTED = {"transfer": "knn", "shots": 2, "draw": 0, "track": "no-validation"}
"""The part of a protocol that says how a model was adapted."""
TRANSFER = {
    **{"method": "knn", "version": 1, "shots": 2, "draw": 0, "track": "no-validation"},
    "cost": {"fit_seconds": 1.0},
}
"""The same as a part of a record."""


def _adapted(part: Mapping[str, object] = MappingProxyType({}), **protocol: object) -> Break:
    """A record of an adapted model; with a field of the protocol that does not fit, None: it is missing."""

    def broken(path: Path, data: dict[str, Any]) -> None:
        stated = {name: value for name, value in {**ADAPTED, **protocol}.items() if value is not None}
        task = {**data["task"], "protocol": stated}
        path.write_text(json.dumps({**data, "task": task, "transfer": {**TRANSFER, **part}}))

    return broken


def _copied(name: str) -> Break:
    """A sound record of another place."""
    return lambda path, data: path.write_text(json.dumps({**data, **_elsewhere(data, name)}))


def _elsewhere(data: dict[str, Any], name: str) -> dict[str, Any]:
    return {"id": "another"} if name == "id" else {name: {**data[name], "name": "another"}}


BROKEN: Mapping[str, Break] = {
    "empty": _text(""),
    "one brace": _text("{"),
    "null": _text("null"),
    "a list": _text("[]"),
    "a number": _text("1e5"),
    "an empty object": _text("{}"),
    "no JSON": _text("<html>404</html>"),
    "a pointer of Git LFS": _text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"),
    "merge conflict": _text('<<<<<<< HEAD\n{"id": 1}\n=======\n{}\n>>>>>>> x\n'),
    "UTF-16": lambda path, data: path.write_bytes(json.dumps(data).encode("utf-16")),
    "bad UTF-8": _changed('"fp32"', '"\udc80"'),
    "half a character": _changed('"fp32"', r'"\ud800"'),
    "zero bytes": _text(bytes(4096)),
    "cut short": lambda path, data: path.write_text(json.dumps(data)[:-40]),
    "glued": lambda path, data: path.write_text(json.dumps(data) * 2),
    "deep list": _text("[" * 200_000),
    "deep object": _text('{"a":' * 200_000),
    "deep protocol": _changed('"protocol": {}', '"protocol": {"x": ' + "[" * 5000 + "]" * 5000 + "}"),
    "foreign schema": _set("schema", "other/1"),
    "newer schema": _set("schema", "vlmbench.record/99"),
    "schema is a number": _set("schema", 1),
    "no metrics": _without("metrics"),
    "no model": _without("model"),
    "no id": _without("id"),
    "main_metric is not there": _set("main_metric", "nope"),
    "metrics are empty": _set("metrics", {}),
    "metrics are a list": _set("metrics", [1, 2]),
    "value is text": _set("metrics.acc1.value", "0.9"),
    "value is true": _set("metrics.acc1.value", True),
    "value is NaN": _set("metrics.acc1.value", float("nan")),
    "value is infinite": _set("metrics.acc1.value", float("-inf")),
    "value overflows": _changed('"value": 1.0', '"value": 1e999'),
    "interval is NaN": _set("metrics.acc1.ci95", [0.1, float("nan")]),
    "interval of one number": _set("metrics.acc1.ci95", [0.1]),
    "negative count": _set("metrics.acc1.n", -5),
    "huge count": _set("metrics.acc1.n", 10**40),
    "fractional count": _set("metrics.acc1.n", 1.5),
    "negative samples": _set("task.dataset.samples", -1),
    "seconds are NaN": _set("run.seconds", {"total": float("nan")}),
    "protocol has NaN": _set("task.protocol", {"x": [float("nan")]}),
    "transfer is a list": _adapted(transfer=["x"]),
    "transfer without a draw": _adapted(draw=None),
    "shots are text": _adapted(shots="many"),
    "shots of another number": _adapted(shots=3),
    "another track": _adapted(track="leaky"),
    "a protocol of transfer alone": _set("task.protocol", ADAPTED),
    "a method that is a list, alone": _set("task.protocol", {"transfer": ["x"]}),
    "a part about transfer alone": _set("transfer", TRANSFER),
    "infinite seconds to learn": _set("transfer", {**TRANSFER, "cost": {"fit_seconds": float("inf")}}),
    "an option is NaN": _adapted({"options": {"alpha": float("nan")}}),
    "a start that is NaN": _adapted({"zero_shot": {"acc1": float("nan")}}),
    "no time": _set("run.started", "yesterday"),
    "name is a list": _set("model.name", ["m"]),
    "another id": _copied("id"),
    "another model's": _copied("model"),
    "another task's": _copied("task"),
    "predictions outside": _set("predictions.file", "../../secret"),
    "a key twice": _changed('"main_metric"', '"metrics": {}, "main_metric"'),
    "a metric twice": _changed(
        '"mean_per_class_recall": {', '"acc1": {"value": 0.1, "n": 1}, "mean_per_class_recall": {'
    ),
    "too large": _too_large,
    "a folder": lambda path, _: path.mkdir(),
    "a pipe": lambda path, _: os.mkfifo(path),
    "a socket": _socket,
    "a device without end": lambda path, _: path.symlink_to("/dev/zero"),
    "an empty device": lambda path, _: path.symlink_to("/dev/null"),
    "a terminal": lambda path, _: path.symlink_to("/dev/tty"),
    "a link to itself": lambda path, _: path.symlink_to(path.name),
    "a link to nothing": lambda path, _: path.symlink_to("gone.json"),
}
"""What is broken, to what makes it."""


def mixed_folder(root: Path) -> dict[str, Path]:
    """A results folder of sound records, and one file broken in each way; returns the broken ones' paths."""
    first = write(root / "sound", table(answers(20), labels(20)), PAIRED, "task0")
    content, results = json.loads(first.read_text()), root / "results"
    parquet = first.with_suffix(".parquet").read_bytes()
    pairs = [(f"model{model}", f"task{task}") for model in range(MODELS) for task in range(TASKS)]
    for model, task in (*pairs, *((PAIRED, f"task{task}") for task in range(PAIRED_TASKS))):
        folder = results / model / task
        folder.mkdir(parents=True)
        own = placed(content, model, task)
        if model == PAIRED:
            (folder / content["predictions"]["file"]).write_bytes(parquet)
        (folder / first.name).write_text(json.dumps(own))
    broken = {}
    for number, (kind, make) in enumerate(BROKEN.items()):
        model, task = f"broken{number}", "task0"
        folder = results / model / task
        folder.mkdir(parents=True)
        broken[kind] = folder / first.name
        make(broken[kind], placed(content, model, task))
    return broken


def placed(content: dict[str, Any], model: str, task: str) -> dict[str, Any]:
    """A copy of a record's content that belongs to this pair."""
    copy: dict[str, Any] = json.loads(json.dumps(content))
    copy["model"]["name"], copy["task"]["name"] = model, task
    return copy
