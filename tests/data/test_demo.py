"""Demo sets as a source."""

from __future__ import annotations

import pytest

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.decode import decode_image
from vlmbench.data.open import open_dataset
from vlmbench.demo.sets import DEMO_SETS
from vlmbench.errors import UnknownNameError


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
    first._images = [b"", *first._images[1:]]  # type: ignore[attr-defined]
    assert first.state() != open_dataset([spec], SourceContext()).state()


def test_a_misspelt_set_is_corrected() -> None:
    with pytest.raises(UnknownNameError, match="unknown demo set 'digit'\nDid you mean 'digits'"):
        open_dataset([SourceSpec(kind="demo", location="digit")], SourceContext())
