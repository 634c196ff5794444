"""The images that support sets are drawn from: sorted by class, without those that are test images too.

:mod:`.adapted` asks it for the support set of each draw. Questions of one task share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.data.contents import ContentHashes
from vlmbench.errors import BadSampleError, DataError, LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SUPPORT_FEWER, SUPPORT_OVERLAP
from vlmbench.transfer.asked import Track, TransferAsked
from vlmbench.transfer.base import FewShot
from vlmbench.transfer.relabelled import RelabelledDataset
from vlmbench.transfer.support import MOST_VALIDATION, Pools, draw_support
from vlmbench.wording import counted, either, listed

ROUNDS = 3
"""After this number of draws with test images among them, all images of their classes are compared with the test
images."""


@dataclass(frozen=True)
class Drawn:
    """The support set of one draw.

    Attributes:
        passed: ids of images that were drawn and passed over, since they are in another role too.
        fewer: names of classes that have fewer images than were asked for.
    """

    support: FewShot
    passed: tuple[str, ...] = ()
    fewer: tuple[str, ...] = ()

    def tell(self) -> None:
        """Remark on the images that were passed over, and on classes with too few."""
        if self.fewer:
            count = len(self.fewer)
            say(
                SUPPORT_FEWER,
                f"{counted(count, 'class', 'classes')} {either(count, 'has', 'have')} fewer than "
                f"{counted(self.support.shots, 'image')} to learn from, or too few to choose settings with",
                brief=f"{counted(count, 'class', 'classes')} with fewer images",
                count=count,
                examples=self.fewer,
            )
        if self.passed:
            count = len(self.passed)
            say(
                SUPPORT_OVERLAP,
                f"{counted(count, 'image')} of the train or val data {either(count, 'is', 'are')} in another role too, "
                f"and {either(count, 'was', 'were')} not drawn",
                brief=f"{counted(count, 'image')} in another role not drawn",
                count=count,
                examples=self.passed,
            )


@dataclass(frozen=True)
class SupportData:
    """Everything that support sets of one task are drawn from.

    Attributes:
        test: all samples of the test data, scored or not, which no support set may have.
        train: the images to learn from.
        val: the images to choose settings with; None: the rest of ``train``.
        contents_known: content hashes of samples; questions of one task share them.
    """

    task: str
    class_names: Sequence[str]
    test: Chosen
    train: Pools
    val: Pools | None
    contents_known: ContentHashes = field(default_factory=ContentHashes)
    _checked: set[Hashable] = field(default_factory=set, init=False, repr=False, compare=False)
    _drawn: dict[Hashable, Drawn] = field(default_factory=dict, init=False, repr=False, compare=False)

    def check(self, asked: TransferAsked) -> None:
        """Refuse a draw that cannot be made, before any image is read.

        Raises:
            DataError, UsageError: see :func:`~vlmbench.transfer.support.draw_support`.
        """
        key = _draw_key(asked)
        if key not in self._checked:
            draw_support(asked, self.train, self.val, self.class_names, task=self.task)
            self._checked.add(key)

    def draw(self, asked: TransferAsked) -> Drawn:
        """The support set of a draw, the same for all methods.

        An image whose content is also a test image is passed over. Drawing starts anew without such images, so that the
        draw depends on its seed and the data alone.

        Raises:
            DataError: a class has no other image, or the val data has none.
            BadSampleError: an image cannot be read.
        """
        key = _draw_key(asked)
        if key not in self._drawn:
            self._drawn[key] = self._draw(asked)
        return self._drawn[key]

    def _draw(self, asked: TransferAsked) -> Drawn:
        train, val, passed, rounds = self.train, self.val, list[str](), 0
        while True:
            self._check_left(train, val)
            found = draw_support(asked, train, val, self.class_names, task=self.task)
            assert found.train is not None
            learnt = {self.content(found.train.dataset, index) for index in found.train.indices}
            support, chosen = found.train, found.val
            double = [index for index in support.indices if self.content(support.dataset, index) in self._of_test]
            double_val = (
                []
                if chosen is None
                else [
                    index
                    for index in chosen.indices
                    if (content := self.content(chosen.dataset, index)) in self._of_test or content in learnt
                ]
            )
            if not double and not double_val:
                break
            passed += [found.train.dataset.samples[index].id for index in double]
            passed += [chosen.dataset.samples[index].id for index in double_val] if chosen is not None else []
            train = train.without(double if val is not None else [*double, *double_val])
            val = None if val is None else val.without(double_val)
            rounds += 1
            if rounds == ROUNDS:
                train, of_train = self._without_test(train, double)
                val, of_val = (None, []) if val is None else self._without_test(val, double_val)
                passed += [*of_train, *of_val]
        self.contents_known.keep()
        return Drawn(found, tuple(passed), self._fewer(found, asked.track))

    @cached_property
    def _of_test(self) -> frozenset[str]:
        """The contents of the test samples that can be read. The others are told of when they are scored."""
        found = set[str]()
        for index in self.test.indices:
            with suppress(BadSampleError):
                found.add(self.content(self.test.dataset, index))
        return frozenset(found)

    def _fewer(self, found: FewShot, track: Track) -> tuple[str, ...]:
        """The names of classes with fewer images than were asked for."""
        asked = [(found.train, found.val)] if track == "cut-validation" else [(found.train, None)]
        wanted = [found.shots]
        if track == "few-shot-validation":
            asked.append((found.val, None))
            wanted.append(min(found.shots, MOST_VALIDATION))
        names: dict[str, None] = {}
        for parts, count in zip(asked, wanted, strict=True):
            drawn = Counter(
                part.dataset.samples[index].target for part in parts if part is not None for index in part.indices
            )
            names.update(dict.fromkeys(name for label, name in enumerate(self.class_names) if drawn[label] < count))
        return tuple(names)

    def _without_test(self, pools: Pools, double: Sequence[int]) -> tuple[Pools, list[str]]:
        """The pools without the test images of whole classes, and the ids of these.

        If most images of a class are test images too, drawing again and again would come upon one after the other.

        Args:
            double: test images that were drawn; their classes are compared.
        """
        samples = pools.dataset.samples
        classes = sorted({label for index in double if isinstance(label := samples[index].target, int)})
        found = []
        for index in (index for label in classes for index in pools.by_class[label]):
            with suppress(BadSampleError):  # it was not drawn
                found += [index] if self.content(pools.dataset, index) in self._of_test else []
        return pools.without(found), [samples[index].id for index in found]

    def _check_left(self, train: Pools, val: Pools | None) -> None:
        """Refuse pools from which everything was removed.

        Raises:
            DataError: all train images of a class, or all val images, are in another role too.
        """
        gone = [label for label, pool in sorted(train.by_class.items()) if not pool and self.train.by_class[label]]
        if gone:
            names, count = [self.class_names[label] for label in gone], len(gone)
            raise DataError(
                f"task {self.task!r}: {counted(count, 'class', 'classes')} of {len(self.class_names)} "
                f"{either(count, 'has', 'have')} no image to learn from: {listed(names, most=3)}. All images of "
                f"{either(count, 'this class', 'these classes')} in the train data are test images too",
                hint="Name other data in the card, under `train:`.",
            )
        if val is not None and not any(val.by_class.values()) and self.val and any(self.val.by_class.values()):
            raise DataError(
                f"task {self.task!r}: no image is left to choose settings with: all images of the val data are "
                "test images or support images too",
                hint="Name other data in the card, under `val:`.",
            )

    def contents(self, chosen: Chosen) -> Mapping[int, str]:
        """The hex content hash of each chosen sample, by its index."""
        return {index: self.content(chosen.dataset, index) for index in chosen.indices}

    def content(self, dataset: ImageDataset, index: int) -> str:
        """The hex content hash of one sample. Each is read once."""
        return self.contents_known.get(dataset, index)


def _draw_key(asked: TransferAsked) -> Hashable:
    """What a draw depends on besides the data."""
    return asked.shots, asked.draw, asked.track


def support_data(
    card: TaskCard,
    datasets: Mapping[Role, ImageDataset],
    class_names: Sequence[str],
    test: Chosen,
    contents: ContentHashes,
    *,
    order: Sequence[str] | None,
) -> SupportData:
    """Sort the train and val data by class.

    Args:
        card: the task whose train and val data it is.
        class_names: the classes that are learnt, in label order. Images of later classes are left out.
        order: the classes in label order as the data names them; None: as each role has them.

    Raises:
        DataError: the card has no train data.
        LabelError: the roles have other classes.
    """
    roles: tuple[Role, Role] = ("train", "val")
    pools = {role: _pools(card, role, datasets[role], len(class_names), order) for role in roles if role in datasets}
    if "train" not in pools:
        raise DataError(
            f"task {card.name!r} names no train data, and a transfer method learns from it",
            hint="Name its sources in the card, under `train:`.",
        )
    return SupportData(card.name, class_names, test, pools["train"], pools.get("val"), contents)


def _pools(card: TaskCard, role: Role, dataset: ImageDataset, count: int, order: Sequence[str] | None) -> Pools:
    """The pools of one role, for the first ``count`` classes. The role may have its classes in another order.

    Raises:
        LabelError: it has others.
    """
    if card.classes is not None or dataset.classes is None or order is None or dataset.classes == tuple(order):
        return Pools.of(dataset, count)
    places = {name: place for place, name in enumerate(order)}
    strange = [name for name in dataset.classes if name not in places]
    if strange:
        raise LabelError(
            f"task {card.name!r}: the {role} data has {counted(len(strange), 'class', 'classes')} that the test data "
            f"does not have: {listed(strange, most=3)}",
            hint="Name its classes as those of the test data.",
        )
    labels = {label: places[name] for label, name in enumerate(dataset.classes)}
    return Pools.of(RelabelledDataset(dataset, labels, order), count)
