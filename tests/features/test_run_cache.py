"""The feature cache under whole runs: what changes a feature misses, and what is damaged is computed again."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import toy_adapter
from toy_adapter import toy

from vlmbench.cards import ModelCard
from vlmbench.errors import VlmbenchWarning
from vlmbench.features.cache import key
from vlmbench.features.cache.files import features_folder, spaces, total_bytes
from vlmbench.features.cache.key import feature_space
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.run_cache import RunCache
from vlmbench.records import CacheUse, Record
from vlmbench.remarks.base import Remark
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan

IMAGES, PROMPTS = 12, 3


class Heard(NotesAsWarnings):
    """Notes go to a list."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, message: str) -> None:
        self.notes.append(message)

    def remark(self, about: str, remark: Remark) -> None:
        self.notes.append(remark.sentence)


PAGE = 16_384


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder({"cat": 4, "dog": 3, "bird": 5})


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> RunRequest:
    return RunRequest(("toy:a",), (f"imagefolder:{folder}",), tmp_path / "runs", device="cpu", force=True)


def run(request: RunRequest) -> tuple[Record, list[str], PairResult]:
    heard = Heard()
    (result,) = execute(make_plan(request), request, heard)
    assert result.record is not None
    return result.record, heard.notes, result


def answer(result: PairResult) -> tuple[Any, ...]:
    """All that a pair's record and predictions say of the numbers."""
    assert result.record is not None and result.path is not None
    table = pq.read_table(result.path.with_suffix(".parquet"))
    return result.record.metrics, table.to_pydict()


@pytest.mark.parametrize(
    "change",
    [
        {"weights_sha256": "one value another"},
        {"architecture": "toy with another activation"},
        {"preprocess": "4x4 grid, bicubic"},
        {"libraries": {"torch": "0.0"}},
    ],
)
def test_another_identity_of_the_model_is_another_space(change: dict[str, Any]) -> None:
    model, other = toy(), toy()
    other.identity = replace(other.identity, **change)
    assert feature_space(model, "image", "fp32") == feature_space(toy(), "image", "fp32")
    assert feature_space(model, "image", "fp32") != feature_space(other, "image", "fp32")


def test_the_tokenizer_counts_for_prompts_and_the_preprocessing_for_images() -> None:
    model, other = toy(), toy()
    other.identity = replace(other.identity, tokenizer="letters, lower case")
    assert feature_space(model, "text", "fp32") != feature_space(other, "text", "fp32")
    assert feature_space(model, "image", "fp32") == feature_space(other, "image", "fp32")
    assert feature_space(model, "image", "fp32") != feature_space(model, "text", "fp32")


def test_precision_device_card_and_length_are_part_of_a_space(monkeypatch: pytest.MonkeyPatch) -> None:
    described = [feature_space(toy(), "image", "fp32"), feature_space(toy(), "image", "bf16")]
    for name, value in (("device", "cuda"), ("embedding_dim", 8)):
        other = toy()
        setattr(other, name, value)
        described.append(feature_space(other, "image", "fp32"))
    other = toy()
    other.card = ModelCard(name="toy", adapter="toy", options={"top_k": 3})
    described.append(feature_space(other, "image", "fp32"))
    monkeypatch.setattr(key, "__version__", "99.0")
    described.append(feature_space(toy(), "image", "fp32"))
    assert len({str(each) for each in described}) == len(described)


def test_the_source_of_a_third_partys_adapter_is_part_of_a_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = feature_space(toy(), "image", "fp32")
    edited = tmp_path / "toy_adapter.py"
    edited.write_text(Path(toy_adapter.__file__).read_text() + "# one character more\n")
    monkeypatch.setattr(toy_adapter, "__file__", str(edited))
    assert feature_space(toy(), "image", "fp32") != before


def test_one_changed_pixel_and_one_changed_character_miss(request_: RunRequest, folder: Path) -> None:
    run(request_)
    path = folder / "cat" / "000.png"
    image = PIL.Image.open(io.BytesIO(path.read_bytes()))
    red, green, blue = image.getpixel((3, 3))  # type: ignore[misc]
    image.putpixel((3, 3), (red ^ 1, green, blue))
    image.save(path)
    record, _, _ = run(request_)
    assert record.run.cache == CacheUse(image_hits=IMAGES - 1, image_misses=1, text_hits=PROMPTS)
    (folder / "cat").rename(folder / "cats")
    record, _, _ = run(request_)
    assert record.run.cache == CacheUse(image_hits=IMAGES, text_hits=PROMPTS - 1, text_misses=1)


def damage_values(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE vectors SET value = zeroblob(LENGTH(value))")


def damage_checksums(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE vectors SET crc = crc + 1")


def cut_values(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE vectors SET value = substr(value, 1, 8)")


def change_types(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE vectors SET value = 'text', crc = 'text'")


def swap_rows(connection: sqlite3.Connection) -> None:
    rows = connection.execute("SELECT key, value, note, crc FROM vectors").fetchall()
    moved = [(key, *rest) for (key, *_), (_, *rest) in zip(rows, rows[1:] + rows[:1], strict=True)]
    connection.executemany("INSERT OR REPLACE INTO vectors (key, value, note, crc) VALUES (?, ?, ?, ?)", moved)


@pytest.mark.parametrize("damage", [damage_values, damage_checksums, cut_values, change_types, swap_rows])
def test_damaged_rows_are_computed_again_and_the_record_says_so(
    request_: RunRequest, damage: Callable[[sqlite3.Connection], None]
) -> None:
    _, _, first = run(request_)
    before = answer(first)
    for space in spaces():
        with sqlite3.connect(space.path) as connection:
            damage(connection)
    record, notes, again = run(request_)
    assert record.run.cache == CacheUse(image_misses=IMAGES, text_misses=PROMPTS)
    assert answer(again) == before
    assert any("failed the check" in note for note in notes)
    assert any("failed the check" in warning for warning in record.warnings)
    record, notes, repaired = run(request_)
    assert record.run.cache == CacheUse(image_hits=IMAGES, text_hits=PROMPTS)
    assert answer(repaired) == before and notes == []


@pytest.mark.parametrize("damage", [lambda data: b"\x5a" * len(data), lambda data: data[: len(data) // 2]])
def test_broken_files_are_computed_again(request_: RunRequest, damage: Callable[[bytes], bytes]) -> None:
    _, _, first = run(request_)
    before = answer(first)
    for space in spaces():
        space.path.write_bytes(damage(space.path.read_bytes()))
    record, notes, again = run(request_)
    assert record.run.cache == CacheUse(image_misses=IMAGES, text_misses=PROMPTS)
    assert answer(again) == before and any("feature cache" in note for note in notes)
    run(request_)
    record, notes, repaired = run(request_)
    assert record.run.cache == CacheUse(image_hits=IMAGES, text_hits=PROMPTS) and answer(repaired) == before


def test_a_run_at_the_limit_is_right_and_says_so_once(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    request = replace(request_, batch_size=2)
    _, _, first = run(replace(request, use_cache=False))
    before = answer(first)
    monkeypatch.setenv("VLMBENCH_CACHE_GIB", "0.00001")
    _, notes, again = run(request)
    assert answer(again) == before
    assert sum("at its limit" in note for note in notes) == 2  # of images and of prompts
    assert total_bytes() == 0


def test_a_space_is_opened_once_a_model_and_counts_each_pair(
    request_: RunRequest, make_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    real = FeatureSpace._set_up
    monkeypatch.setattr(FeatureSpace, "_set_up", lambda self: (opened.append(self.path), real(self))[1])
    other = make_folder({"cat": 3, "fox": 3}, name="other", seed=7)
    request = replace(request_, models=("toy:a", "toy:bb"), tasks=(*request_.tasks, f"imagefolder:{other}"))
    execute(make_plan(request), request, Heard())
    assert len(opened) == len(set(opened)) == 4
    execute(make_plan(request), request, Heard())
    usage = {(info.description["model"], info.description["encoder"]): info.usage for info in spaces()}
    for model in ("toy:a", "toy:bb"):
        images, prompts = usage[model, "image"], usage[model, "text"]
        assert (images.encoded, images.hits) == (IMAGES + 6, IMAGES + 6) and images.seconds > 0
        assert (prompts.encoded, prompts.hits) == (PROMPTS + 1, PROMPTS + 2 + 1) and prompts.saved_seconds > 0


def test_a_run_holds_what_it_used_until_it_ends(request_: RunRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    from vlmbench.features.cache.files import evict

    freed: list[int] = []

    class Evicting(Heard):
        def pair_finished(self, result: PairResult) -> None:
            freed.append(evict(0))

    request = replace(request_, models=("toy:a", "toy:bb"))
    execute(make_plan(request), request, Evicting())
    assert freed == [0, 0] and evict(0, features_folder()) > 0


def test_a_file_that_breaks_while_a_run_reads_it_is_removed_when_it_is_found_out() -> None:
    model = toy()
    keys = [str(number).encode() for number in range(3000)]
    first = RunCache(True, "fp32")
    space = first.of(model, "image")
    assert space is not None
    space.put(keys, np.ones((len(keys), model.embedding_dim), dtype=np.float32))
    first.finish()
    content = bytearray(space.path.read_bytes())
    middle = len(content) // 2 // PAGE * PAGE
    content[middle : middle + PAGE] = bytes([255]) * PAGE
    space.path.write_bytes(content)
    second = RunCache(True, "fp32")
    broken = second.of(model, "image")
    assert broken is not None
    with pytest.warns(VlmbenchWarning, match="broken and has been removed"):
        assert len(broken.get_many(keys)) < len(keys)
        broken.put(keys, np.ones((len(keys), model.embedding_dim), dtype=np.float32))
    second.finish()
    assert not space.path.exists()


def test_pictures_that_pass_uncached_are_not_counted_as_saved() -> None:
    model = toy()
    spaces_ = RunCache(True, "fp32")
    space = spaces_.of(model, "image")
    assert space is not None
    engine = FeatureEngine(model, EngineSettings(), spaces_)
    engine.tally.pictures, engine.tally.forward_seconds = 20, 20.0  # as a detector leaves it
    spaces_.count(engine.tally, engine.text_use, engine.seconds.get("text", 0.0))
    spaces_.finish()
    (info,) = spaces()
    assert info.usage.encoded == 0 and info.usage.seconds == 0
