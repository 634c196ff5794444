"""The images that support sets are drawn from: sorted by class, without those that are test images too.

:mod:`.adapted` asks it for the support set of each draw. Questions of one task share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

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

    def check(self, asked: TransferAsked) -> None:
        """Refuse a draw that cannot be made, before any image is read.

        Raises:
            DataError, UsageError: see :func:`~vlmbench.transfer.support.draw_support`.
        """
        draw_support(asked, self.train, self.val, self.class_names, task=self.task)

    def draw(self, asked: TransferAsked) -> Drawn:
        """The support set of a draw. An image whose content is also a test image is passed over.

        Drawing starts anew without such images, so that the draw depends on its seed and the data alone.

        Raises:
            DataError: a class has no other image.
            BadSampleError: an image cannot be read.
        """
        of_test = self._of_test()
        train, val, passed = self.train, self.val, list[str]()
        while True:
            found = draw_support(asked, train, val, self.class_names, task=self.task)
            assert found.train is not None
            learnt = {self.content(found.train.dataset, index) for index in found.train.indices}
            double = [index for index in found.train.indices if self.content(found.train.dataset, index) in of_test]
            chosen = found.val
            double_val = (
                []
                if chosen is None
                else [
                    index
                    for index in chosen.indices
                    if (content := self.content(chosen.dataset, index)) in of_test or content in learnt
                ]
            )
            if not double and not double_val:
                break
            passed += [found.train.dataset.samples[index].id for index in double]
            passed += [chosen.dataset.samples[index].id for index in double_val] if chosen is not None else []
            train = train.without(double if val is not None else [*double, *double_val])
            val = None if val is None else val.without(double_val)
        self.contents_known.keep()
        return Drawn(found, tuple(passed), self._fewer(found, asked.track))

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

    def contents(self, chosen: Chosen) -> Mapping[int, str]:
        """The hex content hash of each chosen sample, by its index."""
        return {index: self.content(chosen.dataset, index) for index in chosen.indices}

    def content(self, dataset: ImageDataset, index: int) -> str:
        """The hex content hash of one sample. Each is read once."""
        return self.contents_known.get(dataset, index)


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
