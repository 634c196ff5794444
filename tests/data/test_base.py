"""fingerprint: the content, whatever its order and names; and which frames stand for a clip."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.base import Target, fingerprint, segment_centres

TARGETS = st.integers(0, 9) | st.lists(st.integers(0, 9), unique=True).map(lambda labels: tuple(sorted(labels)))
PAIRS = st.lists(st.tuples(st.binary(max_size=4), TARGETS), min_size=1, max_size=8)


def of(content: list[tuple[bytes, Target]]) -> str:
    return fingerprint((hashlib.sha256(data).hexdigest(), target) for data, target in content)


@given(PAIRS, st.randoms())
def test_order_makes_no_difference(content: list[tuple[bytes, Target]], random: Random) -> None:
    shuffled = list(content)
    random.shuffle(shuffled)
    assert of(shuffled) == of(content)


@given(PAIRS, st.data())
def test_one_byte_or_label_changed_makes_one(content: list[tuple[bytes, Target]], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(content) - 1))
    image, target = content[index]
    other_image, other_target = list(content), list(content)
    other_image[index] = (image + b"\0", target)
    other_target[index] = (image, data.draw(TARGETS.filter(lambda label: label != target)))
    assert len({of(content), of(other_image), of(other_target), of([*content, content[index]])}) == 4


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_segment_centres_are_the_formulas_and_never_outside(count: int, frames: int) -> None:
    centres = segment_centres(count, frames)
    assert centres == [int((i + Fraction(1, 2)) * count / frames) for i in range(frames)]
    assert len(centres) == frames and centres == sorted(centres) and centres[0] >= 0 and centres[-1] < count
    assert segment_centres(count, 1) == [count // 2]
