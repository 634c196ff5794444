"""The evaluation sets: sizes, labels, real file bytes, pinned contents, and clear errors without their packages."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vlmbench.demo import sets
from vlmbench.demo.sets import DEMO_SETS, SCENE_SIZE, DemoSet
from vlmbench.demo.spec import COMBINATIONS, HELD_OUT, SHAPES
from vlmbench.errors import MissingDependencyError

_PACKAGES = {"digits": ["sklearn"], "digits-train": ["sklearn"], "photos": ["skimage", "sklearn"], "faces": ["skimage"]}


@cache
def _load(name: str) -> DemoSet:
    for package in _PACKAGES.get(name, []):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    return DEMO_SETS[name]()


def _digest(name: str, first: int = 5) -> str:
    return hashlib.sha256(b"".join(sample.image for sample in _load(name).samples[:first])).hexdigest()


@pytest.mark.parametrize(
    ("name", "samples", "classes"),
    [
        *(("scenes", 400, 80), ("objects", 200, 10), ("digits", 300, 10), ("digits-train", 300, 10)),
        *(("photos", 18, 18), ("faces", 200, 2)),
    ],
)
def test_every_set_is_well_formed(name: str, samples: int, classes: int) -> None:
    loaded = _load(name)
    assert loaded.name == name
    assert len(loaded.samples) == len({sample.id for sample in loaded.samples}) == samples
    assert len(loaded.classes) == len(set(loaded.classes)) == classes
    assert all(template.count("{}") == 1 for template in loaded.templates)
    assert loaded.source and "\n" not in loaded.source
    for sample in loaded.samples:
        targets = sample.target if isinstance(sample.target, tuple) else (sample.target,)
        assert isinstance(sample.target, tuple) == loaded.multi_label
        assert targets and all(0 <= target < classes for target in targets)
        with Image.open(io.BytesIO(sample.image)) as image:
            image.load()


def test_no_digit_to_learn_from_is_a_digit_to_score() -> None:
    test, train = _load("digits"), _load("digits-train")
    assert not {sample.id for sample in test.samples} & {sample.id for sample in train.samples}
    assert not {sample.image for sample in test.samples} & {sample.image for sample in train.samples}
    assert Counter(sample.target for sample in train.samples) == dict.fromkeys(range(10), 30)


def test_scenes_show_held_out_pairs_only() -> None:
    loaded = _load("scenes")
    counts = Counter(COMBINATIONS[sample.target] for sample in loaded.samples if isinstance(sample.target, int))
    assert counts == dict.fromkeys(HELD_OUT, 20)
    for sample in loaded.samples:
        (item,) = sample.objects
        assert loaded.classes[int(sample.target)] == f"{item.colour} {item.shape}"  # type: ignore[arg-type]


def test_objects_are_labelled_with_the_shapes_present() -> None:
    for sample in _load("objects").samples:
        assert sample.target == tuple(sorted({SHAPES.index(item.shape) for item in sample.objects}))
        assert 2 <= len(sample.objects) <= 4
        assert sample.captions and all(item.mask.shape == (SCENE_SIZE, SCENE_SIZE) for item in sample.objects)


def test_digits_are_stratified_and_lossless() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    original = datasets.load_digits()
    loaded = _load("digits")
    assert Counter(sample.target for sample in loaded.samples) == dict.fromkeys(range(10), 30)
    for sample in loaded.samples:
        row = int(sample.id.removeprefix("digits-"))
        with Image.open(io.BytesIO(sample.image)) as image:
            assert np.array_equal(np.rint(np.asarray(image) * (16 / 255)), original.images[row])
        assert sample.target == original.target[row]


def test_photos_are_the_files_themselves() -> None:
    skimage = find_spec("skimage")
    sample = _load("photos").samples[3]
    assert skimage is not None and skimage.submodule_search_locations
    assert sample.image == (Path(skimage.submodule_search_locations[0]) / "data" / sample.id).read_bytes()
    assert _load("photos").classes[3] == "a cat"


def test_faces_are_half_and_half() -> None:
    assert Counter(sample.target for sample in _load("faces").samples) == {0: 100, 1: 100}
    assert _load("faces").classes[1] == "a human face"


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("scenes", "f5e39fd461798b0f3c1040c23265107c636e938f16e33c372f78599f6fa54e16"),
        ("objects", "cfde64aacdf52ffd9ff0514596e6d856cbbd816b9ec2375d6c654ec9b501d7e3"),
        ("digits", "9a51b53d0e943569ea79018dac8ca98a71a71bffd5130f6857ba6ab8f220261f"),
        ("faces", "df79b7d15b0b450341c9809fe8ce3c17ed423ea37204bc0bf0b7f3678d6dba6f"),
    ],
)
def test_file_bytes_are_pinned(name: str, digest: str) -> None:
    assert _digest(name) == digest


@pytest.mark.parametrize(("name", "distribution"), [("digits", "scikit-learn"), ("faces", "scikit-image")])
def test_a_missing_package_is_named(name: str, distribution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "find_spec", lambda package: None)
    with pytest.raises(MissingDependencyError, match=f"{distribution} is not installed") as caught:
        DEMO_SETS[name]()
    assert caught.value.hint == "pip install 'vlmbench[demo]'"


def test_masks_of_what_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="no objects with masks"):
        _load("digits").samples[0].mask()
