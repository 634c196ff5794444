"""The images that support sets are drawn from: sorted by class, without those that are test images too.

:mod:`.adapted` asks it for the support set of each draw. Questions of one task share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

from vlmbench.cards import Role, TaskCard
from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.data.contents import ContentHashes
from vlmbench.errors import DataError, LabelError
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SUPPORT_OVERLAP
from vlmbench.transfer.asked import TransferAsked
from vlmbench.transfer.base import FewShot
from vlmbench.transfer.relabelled import RelabelledDataset
from vlmbench.transfer.support import Pools, draw_support
from vlmbench.wording import counted, either, listed

ROUNDS = 3
"""After this number of draws with test images among them, all images of their classes are compared with the test
images."""


@dataclass(frozen=True)
class Drawn:
    """The support set of one draw.

    Attributes:
        passed: ids of images that were drawn and passed over, since they are in another role too.
    """

    support: FewShot
    passed: tuple[str, ...] = ()

    def tell(self) -> None:
        """Remark on the images that were passed over."""
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
        test: the scored samples, which no support set may have.
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
            DataError: a class has no other image, or the val data has none.
            BadSampleError: an image cannot be read.
        """
        of_test = {self.content(self.test.dataset, index) for index in self.test.indices}
        train, val, passed, rounds = self.train, self.val, list[str](), 0
        while True:
            self._check_left(train, val)
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
            rounds += 1
            if rounds == ROUNDS:
                train, of_train = self._without_test(train, double, of_test)
                val, of_val = (None, []) if val is None else self._without_test(val, double_val, of_test)
                passed += [*of_train, *of_val]
        self.contents_known.keep()
        return Drawn(found, tuple(passed))

    def _without_test(self, pools: Pools, double: Sequence[int], of_test: Set[str]) -> tuple[Pools, list[str]]:
        """The pools without the test images of whole classes, and the ids of these.

        If most images of a class are test images too, drawing again and again would come upon one after the other.

        Args:
            double: test images that were drawn; their classes are compared.
        """
        samples = pools.dataset.samples
        classes = sorted({label for index in double if isinstance(label := samples[index].target, int)})
        found = [
            index
            for label in classes
            for index in pools.by_class[label]
            if self.content(pools.dataset, index) in of_test
        ]
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
        if val is not None and self.val is not None and not any(val.by_class.values()):
            if any(self.val.by_class.values()):
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


def support_data(
    card: TaskCard,
    datasets: Mapping[Role, ImageDataset],
    class_names: Sequence[str],
    test: Chosen,
    contents: ContentHashes,
) -> SupportData:
    """Sort the train and val data by class.

    Raises:
        DataError: the card has no train data.
        LabelError: the roles have other classes.
    """
    roles: tuple[Role, ...] = ("train", "val")
    pools = {
        role: once(
            datasets, ("pools", role, len(class_names)), lambda role=role: _pools(card, role, datasets, class_names)
        )
        for role in roles
        if role in datasets
    }
    if "train" not in pools:
        raise DataError(
            f"task {card.name!r} names no train data, and a transfer method learns from it",
            hint="Name its sources in the card, under `train:`.",
        )
    return SupportData(card.name, class_names, test, pools["train"], pools.get("val"), contents)


T = TypeVar("T")


def once(datasets: Datasets, key: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` makes of the data; of data that questions share, only once, see :class:`SharedDatasets`."""
    return datasets.once(key, make) if isinstance(datasets, SharedDatasets) else make()


def _pools(card: TaskCard, role: Role, datasets: Mapping[Role, ImageDataset], class_names: Sequence[str]) -> Pools:
    """The pools of one role. Its classes must be those of the test data, in any order.

    Raises:
        LabelError: they are others.
    """
    dataset, test = datasets[role], datasets["test"]
    count = len(class_names)
    if card.classes is not None or dataset.classes is None or test.classes is None or dataset.classes == test.classes:
        return Pools.of(dataset, count)
    places = {name: place for place, name in enumerate(test.classes)}
    strange = [name for name in dataset.classes if name not in places]
    if strange:
        raise LabelError(
            f"task {card.name!r}: the {role} data has {counted(len(strange), 'class', 'classes')} that the test data "
            f"does not have: {listed(strange, most=3)}",
            hint="Name its classes as those of the test data.",
        )
    labels = {label: places[name] for label, name in enumerate(dataset.classes)}
    return Pools.of(RelabelledDataset(dataset, labels, test.classes), count)
