"""The same images from a folder, a webdataset and a hub are the same: features, metrics, predictions, fingerprint."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
import yaml
from data.hub_layouts import tree
from data.hub_server import running_hub
from data.layouts import CLASSES, image_bytes, write_folder, write_wds
from toy_adapter import toy

from vlmbench.data.base import SourceContext
from vlmbench.data.hub.fetch import carry_out, plan_fetch
from vlmbench.data.open import open_dataset
from vlmbench.records import Record
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.run.prepare import wanted_tasks

pytestmark = pytest.mark.usefixtures("hub_caches", "impatient")

LABELS = [2, 0, 1, 1, 2, 0, 0]
PLACES: Mapping[str, Mapping[str, Any]] = {
    "folder": {"kind": "imagefolder", "location": "images"},
    "webdataset": {"kind": "wds", "location": "set"},
    "hub-tars": {"kind": "hub", "location": "org/tars"},
    "hub-table": {"kind": "hub", "location": "org/table"},
}


def write_card(folder: Path, name: str, source: Mapping[str, Any]) -> str:
    card = {
        "name": name,
        "sources": [dict(source)],
        "classes": list(CLASSES),
        "templates": ["a photo of a {}.", "a drawing of a {}."],
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(card))
    return str(folder / f"{name}.yaml")


def write_table(path: Path) -> None:
    import datasets

    cells = [{"bytes": image_bytes(i), "path": None} for i in range(len(LABELS))]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(CLASSES))})
    path.parent.mkdir(parents=True)
    datasets.Dataset.from_dict({"image": cells, "label": LABELS}, features=features).to_parquet(str(path))


def features(dataset: Any) -> dict[str, tuple[object, bytes]]:
    """Of every image, by its content: the label and the toy's feature, bit by bit."""
    model = toy()
    found = {}
    for index, sample in enumerate(dataset.samples):
        content = dataset.read(index)
        pixels = model.preprocess(PIL.Image.open(io.BytesIO(content)))
        feature = model.encode_image(torch.stack([pixels]))[0]
        found[hashlib.sha256(content).hexdigest()] = (sample.target, feature.numpy().tobytes())
    return found


def answers(record: Record, folder: Path) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    (path,) = folder.rglob(f"{record.id}.parquet")
    rows = pq.read_table(path).to_pylist()
    return sorted(
        ({key: value for key, value in row.items() if key not in ("id", "sample")} for row in rows),
        key=lambda row: str(row["content"]),
    )


def test_the_same_images_give_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = {f"{CLASSES[label]}/{i}.png": image_bytes(i) for i, label in enumerate(LABELS)}
    write_folder(tmp_path / "images", images)
    write_wds(tmp_path / "set", LABELS, shard_size=3)
    write_table(tmp_path / "table" / "data" / "test-00000-of-00001.parquet")
    cards = {name: write_card(tmp_path, name, source) for name, source in PLACES.items()}
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        hub.repo("org/tars").commit(tree(tmp_path / "set"))
        hub.repo("org/table").commit(tree(tmp_path / "table"))
        plan = plan_fetch(wanted_tasks(cards.values(), tmp_path), workers=3)
        assert [task.state for task in plan.tasks] == ["on disk", "on disk", "hub", "hub"]
        outcomes = carry_out(plan, workers=3, advance=lambda _: None)
        assert [(outcome.samples, outcome.problem) for outcome in outcomes] == [(len(LABELS), None)] * 4

    # Nobody listens any more: what follows comes from the disk alone.
    request = RunRequest(
        models=("toy:a",),
        tasks=tuple(cards.values()),
        results=tmp_path / "runs",
        data_root=tmp_path,
        device="cpu",
        offline=True,
        use_cache=False,
        batch_size=1,  # the samples come in another order, and a matrix product rounds by batch
    )
    results = execute(make_plan(request), request, NotesAsWarnings())
    records = {result.task: result.record for result in results}
    first = records["folder"]
    assert first is not None
    context = SourceContext(tmp_path, offline=True, class_names=CLASSES)
    by_folder = features(open_dataset(wanted_tasks([cards["folder"]], tmp_path)[0].card.sources, context))
    assert len(by_folder) == len(LABELS)
    for name, record in records.items():
        assert record is not None, results
        assert record.task.dataset.fingerprint == first.task.dataset.fingerprint
        assert {m: v.value for m, v in record.metrics.items()} == {m: v.value for m, v in first.metrics.items()}
        assert answers(record, tmp_path / "runs") == answers(first, tmp_path / "runs")
        source = wanted_tasks([cards[name]], tmp_path)[0].card.sources
        assert features(open_dataset(source, context)) == by_folder
    assert len({record.task.dataset.source for record in records.values() if record}) == 3
