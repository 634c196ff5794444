"""``vlmbench show`` as a user calls it: which record, the page, the samples' pictures, and what is missing."""

from __future__ import annotations

import json
import os
import re
import sys
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import Finished, command

from vlmbench.cli.show import _open
from vlmbench.gate.baselines.store import save_baseline
from vlmbench.gate.entry import Entry
from vlmbench.records import ClassResult, Imported, MetricValue, Predictions, Record
from vlmbench.remarks.base import remark
from vlmbench.remarks.codes import FILES_PASSED_OVER, SUBSET
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure, make_record

ODD = '<script>alert(1)</script> & "cats"'


def show(*arguments: object, where: Path, code: int = 0) -> Finished:
    return command("show", *arguments, where=where, code=code)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of two classes with two pictures each."""
    for place, name in enumerate(("cat/a.png", "cat/b.png", "dog/c.png", "dog/d.png")):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (40, 30), (60 * place, 90, 200)).save(path)
    return tmp_path / "photos"


def classified(photos: Path, id: str = "0123456789abcdef", **changes: Any) -> tuple[Record, bytes]:
    """A record of the photos, of which a.png is wrong by 0.2 and d.png by 0.7."""
    files = sorted(photos.rglob("*.png"))
    table = pa.table(
        {
            "sample": [str(file.relative_to(photos)) for file in files],
            "content": [sha256(file.read_bytes()).hexdigest() for file in files],
            "label": pa.array([0, 0, 1, 1], pa.int32()),
            "top": pa.array([[1, 0], [0, 1], [1, 0], [0, 1]], pa.list_(pa.int32(), 2)),
            "top_scores": pa.array([[0.5, 0.3], [0.9, 0.1], [0.8, 0.2], [0.8, 0.1]], pa.list_(pa.float32(), 2)),
            "confidence": pa.array([0.6, 0.9, 0.8, 0.9], pa.float32()),
        }
    )
    return stated(table, task=f"imagefolder:{photos}", id=id, classes=("cat", ODD), **changes)


def stated(table: pa.Table, *, task: str, id: str, classes: tuple[str, ...], **changes: Any) -> tuple[Record, bytes]:
    sink = BytesIO()
    pq.write_table(table, sink)
    content = sink.getvalue()
    record = make_record("m", task, id)
    update = {
        "predictions": Predictions(file=f"{id}.parquet", rows=table.num_rows, sha256=sha256(content).hexdigest()),
        "per_class": [ClassResult(name=name, n=2, values={"recall": 0.5}) for name in classes],
        **changes,
    }
    return record.model_copy(update=update), content


@pytest.fixture
def record(tmp_path: Path, photos: Path) -> Path:
    """The record's file in ``runs``."""
    return ResultStore(tmp_path / "runs").write(*classified(photos))


def page_of(shown: Finished) -> str:
    return Path(shown.stdout.strip()).read_text("utf-8")


def sample_ids(page: str) -> list[str]:
    return re.findall(r"<h3><code>(.*?)</code></h3>", page)


def test_the_page_has_the_worst_samples_first_with_their_pictures(tmp_path: Path, record: Path) -> None:
    page = page_of(show(record, where=tmp_path))
    assert sample_ids(page) == ["dog/d.png", "cat/a.png"]
    assert page.count("data:image/") == 2 and "scored 0.700 above the true class" in page
    assert record.with_suffix(".html").is_file()


def test_it_loads_nothing_and_escapes_every_name(tmp_path: Path, record: Path) -> None:
    page = page_of(show(record, where=tmp_path))
    assert not re.findall(r"""(?:src|href)=["'](?!data:|\#)[^"']*""", page)
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "default-src 'none'" in page and "script-src 'sha256-" in page


@pytest.mark.parametrize("name", ["json", "parquet", "id", "beginning", "pair"])
def test_a_record_has_many_names(tmp_path: Path, photos: Path, record: Path, name: str) -> None:
    names = {
        "json": record,
        "parquet": record.with_suffix(".parquet"),
        "id": record.stem,
        "beginning": record.stem[:6],
        "pair": f"m/imagefolder:{photos}",
    }
    assert sample_ids(page_of(show(names[name], "--results", "runs", where=tmp_path)))


def test_a_baselines_record_is_shown_and_its_folder_stays_as_it_was(tmp_path: Path, photos: Path) -> None:
    made, content = classified(photos)
    root = tmp_path / "results/baselines"
    save_baseline("main", [Entry(made, lambda: pq.read_table(BytesIO(content)), "here")], root)
    before = sorted(root.rglob("*"))
    (file,) = (path for path in before if path.suffix == ".json")
    for name in (f"main/{made.task.name}", "main", file):
        assert sample_ids(page_of(show(name, where=tmp_path))) == ["dog/d.png", "cat/a.png"]
    assert sorted(root.rglob("*")) == before
    assert "has no record 'nothing'" in show("main/nothing", where=tmp_path, code=2).stderr


def test_the_page_of_a_renamed_record_lies_beside_it(tmp_path: Path, record: Path) -> None:
    renamed = record.with_name("yesterday.json")
    record.rename(renamed)
    shown = show(renamed, where=tmp_path)
    assert Path(shown.stdout.strip()) == record.with_suffix(".html") and sample_ids(page_of(shown))


def test_of_one_pair_the_newest_is_shown_and_the_others_are_named(tmp_path: Path, photos: Path, record: Path) -> None:
    newer, content = classified(photos, "fedcba9876543210")
    newer = newer.model_copy(update={"run": newer.run.model_copy(update={"started": "2027-01-01T00:00:00+00:00"})})
    ResultStore(tmp_path / "runs").write(newer, content)
    shown = show(f"m/imagefolder:{photos}", "--results", "runs", where=tmp_path)
    assert newer.id in shown.stdout and f"newest of 2 records of its model and task: {record.stem}" in shown.stderr


def test_several_that_could_be_meant_are_listed(tmp_path: Path, photos: Path, record: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    store.write(*stated(pa.table({"sample": ["x"]}), task="other", id="0123ffffffffffff", classes=()))
    said = show("0123", "--results", "runs", where=tmp_path, code=2).stderr
    assert "'0123' is the beginning of 2 run ids" in said and "0123ffffffffffff  m/other" in said
    assert "records of 2 models and tasks" in show("runs", where=tmp_path, code=2).stderr


def test_a_pair_that_failed_and_a_name_that_is_not_there_are_one_sentence(tmp_path: Path) -> None:
    ResultStore(tmp_path / "runs").write_failure(make_failure("m", "cifar10", "no weights"), "plan")
    failed = show("m/cifar10", "--results", "runs", where=tmp_path, code=2).stderr
    assert "m failed on cifar10: no weights" in failed
    misspelt = show("m/cifar11", "--results", "runs", where=tmp_path, code=2).stderr
    assert "Did you mean" not in misspelt and "1 pair has only a failure and no record" in misspelt
    assert "see vlmbench report --results runs" in misspelt
    assert "vlmbench run" in show("abcdef", where=tmp_path, code=2).stderr
    for odd in ("", " ", "../gone", "x" * 5000, "a/b/c/d", "**", "[", "~nobody-here/x"):
        assert "error:" in show(odd, "--results", "runs", where=tmp_path, code=2).stderr


def test_a_folder_without_records_hides_no_pair_and_no_baseline(tmp_path: Path, photos: Path) -> None:
    made, content = classified(photos)
    ResultStore(tmp_path / "results/runs").write(made.model_copy(update={"task": named(made, "t")}), content)
    save_baseline(
        "main", [Entry(made, lambda: pq.read_table(BytesIO(content)), "here")], tmp_path / "results/baselines"
    )
    (tmp_path / "m/t").mkdir(parents=True)
    (tmp_path / "main").mkdir()
    for name in ("m/t", "main"):
        assert sample_ids(page_of(show(name, where=tmp_path)))
    (tmp_path / "empty").mkdir()
    assert "no record can be read in 'empty'" in show("empty", where=tmp_path, code=2).stderr


def named(record: Record, task: str) -> Any:
    return record.task.model_copy(update={"name": task})


def test_a_refusal_is_said_once_and_a_short_beginning_of_an_id_too(tmp_path: Path, record: Path) -> None:
    refused = make_failure("m", "boxes", "m cannot be asked boxes: it has no detector")
    ResultStore(tmp_path / "runs").write_failure(refused.model_copy(update={"status": "unsupported"}), "plan")
    said = show("m/boxes", "--results", "runs", where=tmp_path, code=2).stderr
    assert said.count("m cannot be asked boxes") == 1 and "it has no detector" in said
    assert "four characters" in show("012", "--results", "runs", where=tmp_path, code=2).stderr


def test_a_renamed_record_has_its_page_beside_it(tmp_path: Path, record: Path) -> None:
    renamed = record.rename(record.with_name("best.json"))
    show(renamed, where=tmp_path)
    assert record.with_suffix(".html").is_file()


def test_a_page_never_replaces_the_record_or_its_predictions(tmp_path: Path, record: Path) -> None:
    (tmp_path / "link").symlink_to(record)
    before = record.read_bytes(), record.with_suffix(".parquet").read_bytes()
    for output in (record, record.with_suffix(".parquet"), tmp_path / "link"):
        for more in ((), ("--json",)):
            said = show(record, "-o", output, *more, where=tmp_path, code=2).stderr
            assert "is the record that is shown" in said
    assert (record.read_bytes(), record.with_suffix(".parquet").read_bytes()) == before


def test_a_picture_of_other_data_is_never_shown(tmp_path: Path, photos: Path, record: Path) -> None:
    PIL.Image.new("RGB", (40, 30), "red").save(photos / "dog/d.png")
    (photos / "cat/a.png").unlink()
    page = page_of(show(record, where=tmp_path))
    assert "data:image/" not in page and sample_ids(page) == ["dog/d.png", "cat/a.png"]
    assert "The data has another file under this id now" in page and "no sample of this id any more" in page


def test_without_its_data_the_page_names_the_samples(tmp_path: Path, photos: Path, record: Path) -> None:
    photos.rename(tmp_path / "elsewhere")
    shown = show(record, where=tmp_path)
    page = page_of(shown)
    assert sample_ids(page) == ["dog/d.png", "cat/a.png"] and "the data cannot be opened" in page
    assert "the data cannot be opened" in shown.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b"PAR1 no table", "do not belong to the record")],
)
def test_a_record_without_its_predictions_still_has_a_page(
    tmp_path: Path, record: Path, content: bytes | None, said: str
) -> None:
    record.with_suffix(".parquet").unlink()
    if content is not None:
        record.with_suffix(".parquet").write_bytes(content)
    page = page_of(show(record, where=tmp_path))
    assert said in page and "50.0%" in page and not sample_ids(page)


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"sample": ["x"], "content": ["0"], "label": pa.array([7], pa.int32()), "top": [[0, 1]]}),
        pa.table({"sample": ["x"], "content": ["0"], "labels": [[9]], "scores": [[0.1, 0.2]]}),
        pa.table({"sample": ["x"], "content": ["0"], "label": ["cat"], "top": ["dog"]}),
        pa.table({"content": ["0"]}),
        pa.table({"sample": ["x"], "content": ["0"]}),
        pa.table({name: pa.array([], pa.string()) for name in ("sample", "content")}),
    ],
)
def test_a_table_of_any_form_has_a_page(tmp_path: Path, table: pa.Table) -> None:
    path = ResultStore(tmp_path / "runs").write(*stated(table, task="t", id="0123456789abcdef", classes=("a", "b")))
    assert "Worst samples" in page_of(show(path, where=tmp_path))


def test_no_scored_sample(tmp_path: Path) -> None:
    table = pa.table(
        {
            "sample": pa.array([], pa.string()),
            "content": pa.array([], pa.string()),
            "label": pa.array([], pa.int32()),
            "top": pa.array([], pa.list_(pa.int32(), 2)),
        }
    )
    none = {"metrics": {"acc1": MetricValue(value=None, n=0, reason="there is no sample")}}
    path = ResultStore(tmp_path / "runs").write(*stated(table, task="t", id="0123456789abcdef", classes=(), **none))
    page = page_of(show(path, where=tmp_path))
    assert "The record has no scored sample." in page and "No value: there is no sample." in page


def test_an_imported_record_and_one_from_before_remarks(tmp_path: Path, photos: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    source = Imported.model_validate({"from": "open_clip", "file": "results.csv", "sha256": "0" * 64})
    made = make_record("m", "t", "1111111111111111").model_copy(update={"imported": source, "predictions": None})
    page = page_of(show(store.write(made, None), where=tmp_path))
    assert "open_clip tested m on the task “t”" in page and not sample_ids(page)
    old, content = classified(photos, "2222222222222222", warnings=["two files were left out"])
    path = store.write(old.model_copy(update={"schema_": "vlmbench.record/1"}), content)
    assert "Two files were left out" in page_of(show(path, where=tmp_path))


def test_remarks_are_explained(tmp_path: Path, photos: Path) -> None:
    said = remark(FILES_PASSED_OVER, "3 files were passed over")
    path = ResultStore(tmp_path / "runs").write(*classified(photos, remarks=(said,)))
    page = page_of(show(path, where=tmp_path))
    assert "3 files were passed over" in page and FILES_PASSED_OVER.meaning in page


def test_ten_thousand_classes_stay_a_small_page(tmp_path: Path, photos: Path) -> None:
    rows = [ClassResult(name=f"class {n}", n=1, values={"recall": n / 10_000}) for n in range(10_000)]
    path = ResultStore(tmp_path / "runs").write(*classified(photos, per_class=rows))
    page = page_of(show(path, where=tmp_path))
    assert len(page) < 500_000 and "9,800 between them" in page


def test_json_and_the_number_of_samples(tmp_path: Path, record: Path) -> None:
    found = json.loads(show(record, "--json", "-n", "1", where=tmp_path).stdout)
    assert [sample["sample"] for sample in found["worst"]] == ["dog/d.png"]
    assert found["worst"][0]["truth"] == [ODD] and found["worst"][0]["answer"][0] == {
        "text": "cat",
        "score": "0.800",
        "right": False,
    }
    assert found["confusions"] == [
        {"true": "cat", "predicted": ODD, "samples": 1},
        {"true": ODD, "predicted": "cat", "samples": 1},
    ]
    assert not list(record.parent.glob("*.html"))


@pytest.mark.skipif(sys.platform != "linux", reason="only here a path can hold any bytes")
def test_a_path_that_is_not_text_is_shown_too(tmp_path: Path, record: Path) -> None:
    odd = record.parent.rename(Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd-\xff"))) / record.name
    show(odd, "--json", "-o", "plain.json", where=tmp_path)
    assert json.loads((tmp_path / "plain.json").read_text("utf-8"))["id"] == record.stem
    show(odd, where=tmp_path)
    assert odd.with_suffix(".html").is_file()


def test_the_page_goes_where_it_is_asked_to(tmp_path: Path, record: Path) -> None:
    shown = show(record, "-o", "page.html", where=tmp_path)
    assert (tmp_path / "page.html").is_file() and shown.stdout.strip().endswith("page.html")
    assert "cannot write" in show(record, "-o", "gone/page.html", where=tmp_path, code=2).stderr


def test_a_browser_is_opened_if_asked_and_never_waited_for(
    tmp_path: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    monkeypatch.setattr("vlmbench.cli.show._open", lambda path: not opened.append(path))
    show(record, where=tmp_path)  # the output is no terminal
    assert opened == []
    show(record, "--open", where=tmp_path)
    assert opened == [record.with_suffix(".html")]


def test_a_browser_that_is_not_there_is_said_and_no_file_of_the_folder_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "webbrowser.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BROWSER", "false %s")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not _open(tmp_path / "page.html")
    assert not (tmp_path / "ran").exists()


def test_only_pairs_with_a_record_are_suggested(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "runs")
    store.write(make_record("m", "cifar100").model_copy(update={"predictions": None}), None)
    store.write_failure(make_failure("m", "cifar10", "no weights"), "plan")
    said = show("m/cifar11", "--results", "runs", where=tmp_path, code=2).stderr
    assert "Did you mean 'm/cifar100'? 1 pair has only a failure" in said and "'m/cifar10'" not in said


def test_a_number_not_above_chance_is_a_remark_and_a_subset_is_explained_once(tmp_path: Path, photos: Path) -> None:
    record, content = classified(photos)
    low = record.main.model_copy(update={"value": 0.5, "ci95": (0.2, 0.8), "chance": 0.5})
    limited = record.run.model_copy(update={"limit": 2})
    record = record.model_copy(update={"metrics": {record.main_metric: low}, "run": limited})
    page = page_of(show(ResultStore(tmp_path / "runs").write(record, content), where=tmp_path))
    assert "Acc1 is not above chance: its 95% interval is 20.0 to 80.0%, and chance is 50.0%" in page
    assert page.count("ubset of") >= 1 and SUBSET.meaning.replace("`", "") not in page
