"""Support sets: which images are drawn, that roles never share one, and what is refused."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from small_pictures import pictures

from vlmbench.data.base import Chosen, content_sha256
from vlmbench.errors import BadSampleError, DataError, UsageError, VlmbenchError
from vlmbench.remarks.base import gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.tasks.classification.support import ROUNDS, SupportData
from vlmbench.testing.toy_data import ToyImages
from vlmbench.transfer.asked import TRACKS, Track, TransferAsked
from vlmbench.transfer.base import FewShot
from vlmbench.transfer.every import every_transfer
from vlmbench.transfer.support import Pools, draw_support

CLASSES = {"cat": range(20), "dog": range(20, 33), "bird": range(40, 43)}
TEST = {"cat": range(100, 104), "dog": range(110, 114), "bird": range(120, 124)}
NAMES = tuple(CLASSES)


def data_of(
    train: Mapping[str, Sequence[int]] = CLASSES,
    val: Mapping[str, Sequence[int]] | None = None,
    test: Mapping[str, Sequence[int]] = TEST,
) -> SupportData:
    scored = pictures(test)
    roles = [None if numbers is None else Pools.of(pictures(numbers), len(train)) for numbers in (train, val)]
    assert roles[0] is not None
    return SupportData("t", tuple(train), Chosen(scored, range(len(scored.samples))), roles[0], roles[1])


def asked(shots: int, draw: int = 0, track: Track = "no-validation") -> TransferAsked:
    return TransferAsked("tip-adapter", shots, draw, track)


def drawn(data: SupportData, asked: TransferAsked) -> FewShot:
    return data.draw(asked).support


def ids(chosen: Chosen | None) -> list[str]:
    assert chosen is not None
    return [chosen.dataset.samples[index].id for index in chosen.indices]


def contents(chosen: Chosen | None) -> set[str]:
    assert chosen is not None
    return {content_sha256(chosen.dataset, index) for index in chosen.indices}


@pytest.mark.parametrize("draw", range(4))
@pytest.mark.parametrize("shots", [1, 2, 4, 8])
def test_a_draw_is_one_generator_over_the_classes_in_order(shots: int, draw: int) -> None:
    rng, expected = random.Random(draw), []
    for name, numbers in CLASSES.items():
        pool = sorted(f"{name}/{number:03}.png" for number in numbers)
        expected += rng.sample(pool, shots) if len(pool) >= shots else pool
    assert ids(drawn(data_of(), asked(shots, draw)).train) == expected


def test_a_class_with_fewer_images_gives_all_and_takes_no_random_number() -> None:
    found = ids(drawn(data_of(), asked(8)).train)
    assert found[-3:] == ["bird/040.png", "bird/041.png", "bird/042.png"] and len(found) == 8 + 8 + 3
    first = {**CLASSES, "fish": range(50, 60)}
    fewer = {name: first[name] for name in ("bird", "fish")}
    alone = {"fish": first["fish"]}
    with_all = draw_support(asked(4), Pools.of(pictures(fewer), 2), None, ("bird", "fish"), task="t")
    without = draw_support(asked(4), Pools.of(pictures(alone), 1), None, ("fish",), task="t")
    assert ids(with_all.train)[3:] == ids(without.train)


def test_draws_of_the_same_seed_are_equal_and_others_differ() -> None:
    data = data_of()
    draws = [ids(drawn(data, asked(4, draw)).train) for draw in range(5)]
    assert draws == [ids(drawn(data_of(), asked(4, draw)).train) for draw in range(5)]
    assert len({tuple(draw) for draw in draws}) == 5


@pytest.mark.parametrize("track", TRACKS)
@pytest.mark.parametrize("own", [False, True], ids=["no val split", "val split"])
def test_roles_share_no_image(track: Track, own: bool) -> None:
    val = {"cat": range(200, 206), "dog": range(210, 216), "bird": range(220, 226)} if own else None
    train = {**CLASSES, "bird": range(40, 52)}
    data = data_of(train, val)
    for draw in range(6):
        found = drawn(data, asked(8, draw, track))
        learnt = contents(found.train)
        assert not learnt & contents(data.test)
        if track in ("no-validation", "leaky"):
            assert found.val is None and len(learnt) == 3 * 8
            continue
        assert not contents(found.val) & (learnt | contents(data.test))
        assert found.val is not None and found.train is not None
        assert found.val.dataset is not found.train.dataset or not {*found.val.indices} & {*found.train.indices}
        counts = {"cut-validation": (18, 6), "few-shot-validation": (24, 12)}
        rest = 3 * 6 if own else 20 + 13 + 12 - 24
        assert (len(found.train.indices), len(found.val.indices)) == counts.get(track, (24, rest))


def test_cut_validation_learns_from_the_same_draw() -> None:
    data = data_of()
    found = drawn(data, asked(4, 3, "cut-validation"))
    assert {*ids(found.train), *ids(found.val)} == {*ids(drawn(data, asked(4, 3)).train)}


def test_few_shot_validation_does_not_change_what_is_learnt() -> None:
    data = data_of()
    assert ids(drawn(data, asked(2, 1, "few-shot-validation")).train) == ids(drawn(data, asked(2, 1)).train)


def test_images_that_are_test_images_too_are_replaced_with_a_remark() -> None:
    """All cats but three are test images too, and so is a dog."""
    test = {"cat": range(17), "dog": [20], "bird": [120]}
    data = data_of(test=test)
    for draw in range(3):
        with gathered_remarks(WARNING) as said:
            made = data.draw(asked(3, draw))
            made.tell()
        found = made.support
        assert sorted(ids(found.train)[:3]) == ["cat/017.png", "cat/018.png", "cat/019.png"]
        assert not contents(found.train) & contents(data.test) and len(ids(found.train)) == 9
        (remark,) = (remark for remark in said.remarks if remark.code != "support-fewer")
        assert remark.code == "support-overlap" and 1 <= remark.count <= 18
        assert all(name.startswith(("cat/0", "dog/020")) for name in remark.examples)


def test_each_passed_image_is_counted_once() -> None:
    data = data_of({"cat": [1, 2, 3], "dog": [4, 5, 6]}, test={"cat": [1], "dog": [9]})
    with gathered_remarks(WARNING) as said:
        data.draw(asked(3)).tell()
    told = {remark.code: (remark.count, list(remark.examples)) for remark in said.remarks}
    assert told == {"support-overlap": (1, ["cat/001.png"]), "support-fewer": (1, ["cat"])}


@pytest.mark.parametrize(
    "shots, track, fewer",
    [
        (3, "no-validation", []),
        (4, "no-validation", ["bird"]),
        (4, "cut-validation", ["bird"]),
        (3, "cut-validation", []),
        (2, "few-shot-validation", ["bird"]),  # three birds: two to learn from, and one is left
        (1, "few-shot-validation", []),
        (3, "full-validation", []),
    ],
)
def test_classes_with_fewer_images_are_told_of(shots: int, track: Track, fewer: list[str]) -> None:
    assert list(data_of().draw(asked(shots, 0, track)).fewer) == fewer


@pytest.mark.parametrize("track", ["few-shot-validation", "full-validation"])
def test_a_val_split_that_overlaps_test_and_train_is_cleared(track: Track) -> None:
    val = {"cat": [*range(10), 100, 200], "dog": [110, 111, 210], "bird": [220]}
    data = data_of(val=val)
    for draw in range(4):
        found = drawn(data, asked(4, draw, track))
        assert not contents(found.val) & (contents(found.train) | contents(data.test))
        assert {"cat/200.png", "dog/210.png", "bird/220.png"} & {*ids(found.val)}


def test_a_val_split_of_test_images_alone_is_refused() -> None:
    with pytest.raises(DataError, match="all images of the val data are test images or support images too"):
        data_of(val=TEST).draw(asked(2, 0, "few-shot-validation"))


def test_a_class_whose_images_are_all_test_images_is_refused() -> None:
    data = data_of(test={"cat": [100], "dog": [110], "bird": [40, 41, 42]})
    with pytest.raises(DataError, match="1 class of 3 has no image to learn from: bird") as caught:
        data.draw(asked(2))
    assert "All images of this class in the train data are test images too" in caught.value.message
    assert caught.value.hint == "Name other data in the card, under `train:`."


def counted_draws(monkeypatch: pytest.MonkeyPatch) -> list[FewShot]:
    """A list that gets each support set when it is drawn."""
    made: list[FewShot] = []

    def counting(*args: Any, **options: Any) -> FewShot:
        made.append(draw_support(*args, **options))
        return made[-1]

    monkeypatch.setattr("vlmbench.tasks.classification.support.draw_support", counting)
    return made


def test_train_data_that_is_the_test_data_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    same = {name: range(60 * place, 60 * place + 60) for place, name in enumerate(NAMES)}
    made = counted_draws(monkeypatch)
    with pytest.raises(DataError, match="3 classes of 3 have no image to learn from: cat, dog and bird") as caught:
        data_of(same, test=same).draw(asked(1))
    assert "All images of these classes in the train data are test images too" in caught.value.message
    assert len(made) == ROUNDS


def test_the_image_that_is_left_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = counted_draws(monkeypatch)
    data = data_of({**CLASSES, "cat": range(200, 260)}, test={**TEST, "cat": range(201, 260)})
    found = drawn(data, asked(1))
    assert ids(found.train)[0] == "cat/200.png" and len(made) <= ROUNDS + 1
    assert drawn(data, TransferAsked("knn", 1)) is found and len(made) <= ROUNDS + 1, "one draw for all methods"


def test_an_image_that_is_never_drawn_may_be_unreadable() -> None:
    data = data_of({**CLASSES, "cat": range(200, 260)}, test={**TEST, "cat": range(202, 260)})
    train = data.train.dataset
    assert isinstance(train, ToyImages)
    place = next(index for index, sample in enumerate(train.samples) if sample.id == "cat/259.png")
    train.files = tuple(None if index == place else file for index, file in enumerate(train.files))
    with pytest.raises(BadSampleError):
        data.content(train, place)
    assert ids(drawn(data, asked(1)).train)[0] in ("cat/200.png", "cat/201.png")


@pytest.mark.parametrize(
    "train, shots, track, error, message, hint",
    [
        (CLASSES, 21, "no-validation", DataError, "task 't': --shots 21, but no class has more than 20 images to learn "
         "from", "Use --shots 20 or fewer."),
        ({**CLASSES, "bird": []}, 2, "no-validation", DataError, "task 't': 1 class of 3 has no image to learn from: "
         "bird", "Add images of these classes to the train data, or score fewer classes."),
        (CLASSES, 0, "no-validation", UsageError, "this transfer method learns from images, and --shots is 0",
         "Add --shots 1,2,4,8,16."),
        (CLASSES, 1, "cut-validation", UsageError, "--track cut-validation takes validation images from the K support "
         "images of each class, and K is 1", "Use --shots 2 or more, or another track."),
        ({"cat": [1, 2], "dog": [3, 4]}, 2, "full-validation", DataError, "task 't': no image is left for the track "
         "full-validation, since the support set has all of them",
         "Name a validation split in the card, under `val:`, or use --track cut-validation."),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_before_an_image_is_read(
    train: dict[str, Sequence[int]],
    shots: int,
    track: Track,
    error: type[VlmbenchError],
    message: str,
    hint: str,
) -> None:
    data = data_of(train)
    data.train.dataset.files = ()  # type: ignore[attr-defined]
    with pytest.raises(error) as caught:
        data.check(asked(shots, 0, track))
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_requests_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match=r"--track must be one of no-validation, .*, not 'validation'"):
        TransferAsked("gda", 1, 0, "validation")  # type: ignore[arg-type]
    for shots, draw in ((-1, 0), (1, -1), (1.5, 0), (True, 0)):
        with pytest.raises(UsageError, match="must be a whole number from 0 to 2,147,483,647, not"):
            TransferAsked("gda", shots, draw)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--shots names 4 twice"):
        every_transfer(["gda"], [4, 4], [0], track="no-validation", options={})
    with pytest.raises(UsageError, match="none of these transfer methods has an option 'bata'") as caught:
        every_transfer(["gda", "tip-adapter"], [1], [0], track="no-validation", options={"bata": 2})
    assert caught.value.hint is not None and "'beta'" in caught.value.hint


def test_pools_leave_out_images_of_other_classes() -> None:
    data: ToyImages = pictures({"cat": [1, 2], "dog": [3], "other": [4]})
    assert {label: len(pool) for label, pool in Pools.of(data, 2).by_class.items()} == {0: 2, 1: 1}
