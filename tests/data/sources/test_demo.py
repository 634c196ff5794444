"""Demo sets as a source."""

from __future__ import annotations

import numpy as np
import pytest

from vlmbench.cards import SourceSpec
from vlmbench.data.base import Box, MaskDataset, SourceContext, content_sha256
from vlmbench.data.boxes import BoxDataset, facts_of
from vlmbench.data.formats.decode import decode_image
from vlmbench.data.open import open_dataset
from vlmbench.demo.sets import DEMO_SETS
from vlmbench.errors import LabelError, UnknownNameError
from vlmbench.run_lengths import outlined


def test_a_set_is_read_as_it_is_made() -> None:
    made = DEMO_SETS["digits"]()
    dataset = open_dataset([SourceSpec(kind="demo", location="digits")], SourceContext())
    assert dataset.classes == made.classes
    assert dataset.templates == made.templates
    assert [(s.id, s.target) for s in dataset.samples] == [(s.id, s.target) for s in made.samples]
    assert dataset.read(7) == made.samples[7].image
    assert decode_image(dataset.read(7), "x").size == (8, 8)


def test_state_is_of_the_content() -> None:
    spec = SourceSpec(kind="demo", location="digits")
    first = open_dataset([spec], SourceContext())
    assert first.state() == open_dataset([spec], SourceContext()).state()
    first.images = [b"", *first.images[1:]]  # type: ignore[attr-defined]
    assert first.state() != open_dataset([spec], SourceContext()).state()


def test_tasks_about_the_same_scenes_share_them() -> None:
    spec = SourceSpec(kind="demo", location="objects")
    first, second = (open_dataset([spec], SourceContext(target=target)) for target in ("captions", "boxes"))
    assert first.read(3) is second.read(3)


def test_the_outline_of_an_object_is_its_visible_part() -> None:
    made = DEMO_SETS["objects"]()
    dataset = open_dataset([SourceSpec(kind="demo", location="objects")], SourceContext(target="boxes"))
    assert isinstance(dataset, BoxDataset) and dataset.facts.outlines is not None
    outlines, target = dataset.facts.outlines(3), dataset.samples[3].target
    assert isinstance(target, tuple) and len(outlines) == len(target) == len(made.samples[3].objects)
    for outline, box, item in zip(outlines, target, made.samples[3].objects, strict=True):
        mask = outlined(outline, *item.mask.shape)
        assert np.array_equal(mask.pixels(), item.mask)
        assert isinstance(box, Box) and mask.box() == box.xywh and box.area == item.mask.sum()
    assert dataset.facts == facts_of(dataset, 10)
    assert dataset.facts.image_ids[:2] == (1, 2) and dataset.facts.category_ids == tuple(range(1, 11))


def test_a_misspelt_set_is_corrected() -> None:
    with pytest.raises(UnknownNameError, match="unknown demo set 'digit'\nDid you mean 'digits'"):
        open_dataset([SourceSpec(kind="demo", location="digit")], SourceContext())


def test_masks_are_the_objects_own() -> None:
    spec = SourceSpec(kind="demo", location="objects")
    dataset = open_dataset([spec], SourceContext(target="mask"))
    made = DEMO_SETS["objects"]()
    assert isinstance(dataset, MaskDataset) and dataset.classes is not None
    assert dataset.classes[0] == "background" and dataset.classes[1:] == made.classes
    for index in (0, 77, 199):
        labels, objects = dataset.labels(dataset.read_mask(index), "x"), made.samples[index].objects
        assert sum(int(item.mask.sum()) for item in objects) == int((labels > 0).sum())
        for item in objects:
            assert set(np.unique(labels[item.mask])) == {dataset.classes.index(item.shape)}
        assert dataset.samples[index].target is None
    plain = open_dataset([spec], SourceContext(target="classes"))
    assert dataset.read(3) == plain.read(3) and content_sha256(dataset, 3) != content_sha256(plain, 3)
    assert dataset.state() != plain.state()


def test_a_set_without_masks_has_none() -> None:
    with pytest.raises(LabelError, match="its pictures have no masks"):
        open_dataset([SourceSpec(kind="demo", location="digits")], SourceContext(target="mask"))
