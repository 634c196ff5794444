"""Draws support sets: which images of each class a method learns from, and which choose its settings.

Classification calls it once for each draw, before any model is loaded. All methods get the same images.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.errors import DataError, UsageError
from vlmbench.transfer.asked import Track, TransferAsked
from vlmbench.transfer.base import FewShot
from vlmbench.wording import counted, listed

MOST_VALIDATION = 4
"""Images of each class in the few-shot validation set: min(K, 4). Source: CoOp, datasets/oxford_pets.py."""


@dataclass(frozen=True)
class Pools:
    """Indices of the images of each class, sorted by sample id."""

    dataset: ImageDataset
    by_class: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, dataset: ImageDataset, num_classes: int) -> Pools:
        """The pools of a dataset of one class an image. Images of other classes are left out."""
        found: dict[int, list[int]] = {label: [] for label in range(num_classes)}
        for index in sorted(range(len(dataset.samples)), key=lambda index: dataset.samples[index].id):
            target = dataset.samples[index].target
            if isinstance(target, int) and target in found:
                found[target].append(index)
        return cls(dataset, found)

    def without(self, taken: Sequence[int]) -> Pools:
        """The pools without these images."""
        gone = frozenset(taken)
        return Pools(self.dataset, {c: [i for i in pool if i not in gone] for c, pool in self.by_class.items()})


def sample(pools: Pools, shots: int, generator: random.Random) -> list[int]:
    """K images of each class, class by class in label order, without replacement.

    A class with fewer than K images gives all of them, in the pool's order.
    """
    return [
        index
        for label in sorted(pools.by_class)
        for index in (
            generator.sample(list(pools.by_class[label]), shots)
            if len(pools.by_class[label]) >= shots
            else pools.by_class[label]
        )
    ]


def draw_support(
    asked: TransferAsked, train: Pools, val: Pools | None, class_names: Sequence[str], *, task: str
) -> FewShot:
    """The support set of one draw, with the validation images of its track.

    The generator is ``random.Random(draw)``, new for each K, so that a draw does not depend on other draws. Validation
    images are drawn after the support images by the same generator.

    Args:
        val: the images of the validation split; None: the data has none, and the rest of ``train`` takes its place.

    Raises:
        DataError: a class has no image, or no class has K images.
        UsageError: the track needs more images than K leaves.
    """
    _check_classes(asked.shots, train, class_names, task=task)
    generator = random.Random(asked.draw)
    drawn = sample(train, asked.shots, generator)
    if asked.track == "cut-validation":
        kept, cut = _cut(train, drawn, asked.shots, generator)
        return FewShot(asked.shots, Chosen(train.dataset, kept), Chosen(train.dataset, cut), asked.draw)
    pools = val if val is not None else train.without(drawn)
    chosen = _validation(asked.track, pools, asked.shots, generator)
    if chosen is not None and not chosen:
        raise DataError(
            f"task {task!r}: no image is left for the track {asked.track}, since the support set has all of them",
            hint="Name a validation split in the card, under `val:`, or use --track cut-validation.",
        )
    return FewShot(
        asked.shots,
        Chosen(train.dataset, drawn),
        None if chosen is None else Chosen(pools.dataset, chosen),
        asked.draw,
    )


def _validation(track: Track, pools: Pools, shots: int, generator: random.Random) -> list[int] | None:
    """The validation images of a track; None: the track has none, or they are the test images."""
    if track == "few-shot-validation":
        return sample(pools, min(shots, MOST_VALIDATION), generator)
    if track == "full-validation":
        return sorted(index for pool in pools.by_class.values() for index in pool)
    return None


def _cut(train: Pools, drawn: Sequence[int], shots: int, generator: random.Random) -> tuple[list[int], list[int]]:
    """The drawn images in two parts: to learn from, and a quarter of each class to choose settings with.

    Raises:
        UsageError: there is one image a class.
    """
    if shots < 2:
        raise UsageError(
            "--track cut-validation takes validation images from the K support images of each class, and K is 1",
            hint="Use --shots 2 or more, or another track.",
        )
    members = frozenset(drawn)
    own = Pools(train.dataset, {c: [i for i in pool if i in members] for c, pool in train.by_class.items()})
    cut = [
        index
        for label in sorted(own.by_class)
        for index in generator.sample(list(own.by_class[label]), _quarter(len(own.by_class[label])))
    ]
    gone = frozenset(cut)
    return [index for index in drawn if index not in gone], cut


def _quarter(count: int) -> int:
    """How many of a class's images are cut off; a class with one image keeps it."""
    return 0 if count < 2 else max(1, count // 4)


def _check_classes(shots: int, train: Pools, class_names: Sequence[str], *, task: str) -> None:
    if shots < 1:
        raise UsageError("this transfer method learns from images, and --shots is 0", hint="Add --shots 1,2,4,8,16.")
    empty = [class_names[label] for label, pool in sorted(train.by_class.items()) if not pool]
    if empty:
        raise DataError(
            f"task {task!r}: {counted(len(empty), 'class', 'classes')} of {len(class_names)} "
            f"{'has' if len(empty) == 1 else 'have'} no image to learn from: {listed(empty, most=3)}",
            hint="Add images of these classes to the train data, or score fewer classes.",
        )
    most = max(map(len, train.by_class.values()))
    if most < shots:
        raise DataError(
            f"task {task!r}: --shots {shots}, but no class has more than {counted(most, 'image')} to learn from",
            hint=f"Use --shots {most} or fewer.",
        )
