"""Every command that reads results says of a URL what it says of a folder, and no message names the cache."""

from __future__ import annotations

import io
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import fsspec
import pyarrow.parquet as pq
import pytest
from baseline_entries import answers
from command_line import Finished, command

import vlmbench
from vlmbench.cli.show import _write
from vlmbench.errors import RecordError, UsageError, VlmbenchWarning
from vlmbench.gate.record_choice import choose_record
from vlmbench.records import Predictions
from vlmbench.storage.base import Url
from vlmbench.storage.disk import DiskFolder
from vlmbench.storage.mirror import is_copy, readable
from vlmbench.storage.remote import RemoteFolder
from vlmbench.store import ResultStore
from vlmbench.testing.toy_records import make_failure, make_record

LOCAL = "own/runs"


def _put(store: ResultStore, model: str, task: str, day: int, tops: tuple[int, int, int]) -> None:
    sink = io.BytesIO()
    pq.write_table(answers(tops), sink)
    id = f"{day:016}"
    predictions = Predictions(file=f"{id}.parquet", rows=3, sha256=sha256(sink.getvalue()).hexdigest())
    record = make_record(model, task, id, started=f"2026-01-0{day}T00:00:00+00:00", value=0.4 + day / 10)
    store.write(record.model_copy(update={"predictions": predictions}), sink.getvalue())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A working folder with results, and the URL of the same results."""
    where = tmp_path_factory.mktemp("urls")
    store = ResultStore(where / LOCAL)
    for day, model in enumerate(("ours", "theirs"), start=1):
        for task in ("cifar10", "dtd"):
            _put(store, model, task, day, (day, 0, 1))
    _put(store, "ours", "dtd", 3, (7, 7, 7))
    store.write_failure(make_failure("ours", "svhn"), "plan")
    (store.folder("ours", "dtd") / "torn.json").write_text("{")
    (store.folder("theirs", "dtd") / f"{2:016}.parquet").write_bytes(b"of another record")
    url = f"memory://{where.name}/runs"
    local, remote = DiskFolder(where / LOCAL), RemoteFolder(Url(url))
    for entry in local.entries():
        remote.write(entry.name, local.read(entry.name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VLMBENCH_CACHE", str(where / "cache"))
        yield where, url
    memory = fsspec.filesystem("memory")
    for name in memory.find(f"/{where.name}"):
        memory.rm_file(name)


def _said(done: Finished, place: str) -> list[str]:
    """The lines of a command, with RUNS for the place. Where lines break depends on the length of the place."""
    return f"{done.stdout}\n{done.stderr}".replace(place, "RUNS").split()


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--results", "RUNS"),
        ("report", "ranking", "--results", "RUNS"),
        ("report", "task", "dtd", "--results", "RUNS", "-f", "json"),
        ("report", "results", "--results", "RUNS/none"),
        ("export", "--results", "RUNS", "-f", "csv"),
        ("compare", "RUNS/ours", "RUNS/theirs"),
        ("compare", "RUNS/ours/cifar10", "RUNS/theirs/cifar10", "-f", "json"),
        ("compare", "RUNS/ours", "RUNS/theirs/cifar10/0000000000000002.json"),
        ("compare", "RUNS/none", "RUNS"),
        ("show", "0000000000000003", "--results", "RUNS", "--json"),
        ("show", "RUNS/ours/cifar10/0000000000000001.parquet", "--json"),
        ("show", "RUNS/ours/dtd/torn.json", "--json"),
        ("show", "RUNS/ours/svhn", "--json"),
        ("show", "theirs/dtd", "--results", "RUNS", "--json"),
        ("baseline", "save", "from-all", "--results", "RUNS", "--baselines", "bases", "--force"),
        ("baseline", "save", "from-ours", "--results", "RUNS/ours", "--baselines", "bases", "--force"),
    ],
)
def test_a_url_is_read_as_a_folder(made: tuple[Path, str], words: tuple[str, ...]) -> None:
    where, url = made
    local = command(*(word.replace("RUNS", LOCAL) for word in words), where=where, width=400)
    found = command(*(word.replace("RUNS", url) for word in words), where=where, width=400)
    assert found.returncode == local.returncode
    assert _said(found, url) == _said(local, LOCAL)
    assert str(where / "cache") not in found.stdout + found.stderr


def test_a_page_of_a_record_at_a_url_is_not_put_into_the_cache(made: tuple[Path, str]) -> None:
    where, url = made
    chosen = choose_record("ours/cifar10", readable(url), where)
    assert chosen.entry.where.startswith(str(readable(url)))
    page = _write("a page", chosen, None)
    assert page.read_text() == "a page" and not is_copy(page)


def test_a_baseline_is_saved_to_a_url_and_compared_with(made: tuple[Path, str]) -> None:
    where, url = made
    bases = url.replace("/runs", "/bases")
    saved = command(
        "baseline", "save", "main", "--results", url, "-t", "cifar10", "--baselines", bases, where=where, code=0
    )
    command("baseline", "save", "main", "--results", LOCAL, "-t", "cifar10", "--baselines", "own/bases", where=where)
    assert f"Saved 2 records in {bases}/main, 4 files" in saved.stdout
    local, remote = DiskFolder(where / "own/bases/main"), RemoteFolder(Url(f"{bases}/main"))
    assert {entry.name: remote.read(entry.name) for entry in remote.entries()} == {
        entry.name: local.read(entry.name) for entry in local.entries()
    }
    again = command("baseline", "save", "main", "--results", url, "--baselines", bases, where=where, code=2)
    assert f"the baseline 'main' already exists in '{bases}'" in again.stderr
    remote.write("left.json", b"{}")
    command(
        *("baseline", "save", "main", "--results", url, "-t", "cifar10", "--baselines", bases, "--force"),
        where=where, code=0,
    )  # fmt: skip
    assert [entry.name for entry in remote.entries()] == [entry.name for entry in local.entries()]
    listed = command("baseline", "list", "--baselines", bases, "--json", where=where, code=0)
    assert f'"path": "{bases}/main"' in listed.stdout
    shown = command("baseline", "show", "main", "--baselines", bases, where=where, code=0)
    assert "cifar10" in shown.stdout
    code = command("compare", "own/bases/main", LOCAL, where=where).returncode
    for baseline in (("main", "--baselines", bases), (f"{bases}/main",)):
        compared = command("compare", baseline[0], url, *baseline[1:], where=where, code=code)
        assert "cifar10" in compared.stdout and bases not in compared.stderr


def test_the_leaderboard_is_put_at_a_url(made: tuple[Path, str]) -> None:
    where, url = made
    done = command("leaderboard", "--results", url, "-o", url.replace("/runs", "/site"), where=where, code=0)
    assert done.stdout.strip() == url.replace("/runs", "/site/index.html")
    site = RemoteFolder(Url(url.replace("/runs", "/site")))
    pages = {entry.name for entry in site.entries()}
    assert {"index.html", "tasks/cifar10.html"} <= pages
    for name in pages:
        content = site.read(name)
        assert str(where).encode() not in content and b"vlmbench-site-" not in content, name


def test_an_import_writes_to_a_url(made: tuple[Path, str]) -> None:
    where, url = made
    (where / "results.jsonl").write_text(
        '{"dataset": "cifar10", "model": "ViT-B-32", "pretrained": "openai", "task": "zeroshot_classification", '
        '"metrics": {"acc1": 0.9, "acc5": 0.99, "mean_per_class_recall": 0.9}, "language": "en"}\n'
    )
    for place in (url.replace("/runs", "/imported"), "own/imported"):
        done = command("import", "clip_benchmark", "results.jsonl", "--results", place, where=where)
        assert f"Imported 1 record of 1 model into {place}" in done.stderr, done.stderr
    remote, local = RemoteFolder(Url(url.replace("/runs", "/imported"))), DiskFolder(where / "own/imported")
    assert [entry.name for entry in remote.entries()] == [entry.name for entry in local.entries()]


def test_frames_and_compare_read_urls(made: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    where, url = made
    monkeypatch.chdir(where)
    with pytest.warns(VlmbenchWarning, match=rf"{url}: 1 file is left out: {url}/ours/dtd/torn\.json"):
        found = vlmbench.results_frame(url)
    with pytest.warns(VlmbenchWarning):
        expected = vlmbench.results_frame(LOCAL)
    differing = [name for name in found.columns if not found[name].equals(expected[name])]
    assert len(found) == len(expected) and all(set(found[name]) == {url} for name in differing)
    rows = vlmbench.predictions_frame(f"{url}/ours/cifar10/{1:016}.json")
    assert rows.equals(vlmbench.predictions_frame(f"{3:016}", results=url)) is False
    assert rows.equals(vlmbench.predictions_frame(f"{LOCAL}/ours/cifar10/{1:016}.json"))
    sides = [vlmbench.compare(f"{place}/ours/cifar10", f"{place}/theirs/cifar10") for place in (url, LOCAL)]
    told = [side.model_dump_json().replace(place, "RUNS") for side, place in zip(sides, (url, LOCAL), strict=True)]
    assert told[0] == told[1] and "RUNS/ours/cifar10" in told[0]
    with pytest.raises(RecordError, match=f"{url}/theirs/dtd/{2:016}.parquet: these predictions do not belong"):
        vlmbench.predictions_frame(f"{url}/theirs/dtd/{2:016}.json")
    with pytest.raises(UsageError, match=f"'{url}/nothing'"):
        vlmbench.compare(f"{url}/nothing", url)


@pytest.mark.parametrize(
    "words",
    [
        ("report", "--results", "s3://AKIA:hunter2@bucket/x"),
        ("run", "-m", "demo-clip", "-t", "demo-photos", "--results", "s3://AKIA:hunter2@bucket/x"),
        ("compare", "s3://AKIA:hunter2@bucket/x", "own/runs"),
        ("show", "https://host/x?token=hunter2"),
        ("leaderboard", "-o", "gs://hunter2@bucket/x"),
        ("import", "clip_benchmark", "x.json", "--results", "s3://AKIA:hunter2@bucket/x"),
        ("baseline", "save", "main", "--baselines", "s3://AKIA:hunter2@bucket/x"),
    ],
)
def test_no_command_repeats_credentials(made: tuple[Path, str], words: tuple[str, ...]) -> None:
    done = command(*words, where=made[0], code=2)
    assert "has credentials in it" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("demo", "--results", "s3://bench/demo"),
        ("run", "-m", "demo-clip", "-t", "demo-scenes", "--save-answers", "s3://bench/answers"),
        ("report", "--results", LOCAL, "-o", "s3://bench/table.md"),
        ("show", "ours/dtd", "--results", LOCAL, "-o", "s3://bench/page.html"),
    ],
)
def test_what_is_only_local_takes_no_url(made: tuple[Path, str], words: tuple[str, ...]) -> None:
    assert "must be on this machine, and not at a URL" in command(*words, where=made[0], code=2).stderr
    assert not (made[0] / "s3:").exists()


def test_a_mistyped_url_of_data_is_corrected(made: tuple[Path, str]) -> None:
    done = command("run", "-m", "demo-clip", "-t", "imagefolder:s3:/bench/photos", "--dry-run", where=made[0], code=2)
    assert "Did you mean s3://bench/photos?" in done.stderr
