"""Whose name is whose: natural order, the user's names for the data's, and names that are ids."""

from __future__ import annotations

import random
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import remarked, sentences

from vlmbench.card_files import read_task, task_card_files
from vlmbench.class_ids import imagenet_names, is_id, is_number, tell_of_ids, told_words_of, words_of
from vlmbench.class_names import are_counted, label_order, numbers_of, own_in_order, without_leading_id
from vlmbench.errors import LabelError

FOLDERS = ("cat", "dog", "sea lion")


def ordered(
    *own: str, stated: tuple[str, ...] = FOLDERS, order_stated: bool = False, from_card: bool = False
) -> list[str]:
    return list(own_in_order(own, stated, place="there", order_stated=order_stated, from_card=from_card))


@given(st.integers(2, 120), st.sampled_from(["", "c", "class_", "No. "]), st.integers(0, 4), st.integers(0, 1))
def test_numbers_are_in_natural_order(count: int, prefix: str, width: int, first: int) -> None:
    names = [f"{prefix}{number:0{width}}" for number in range(first, first + count)]
    mixed = random.Random(count).sample(names, count)
    assert label_order(mixed) == names and are_counted(numbers_of(mixed))


@pytest.mark.parametrize(
    "names", [["1", "01"], ["a1", "b2"], ["tench", "eel 10", "eel 9"], ["737-200", "747-100"], ["x"], ["1", "x"]]
)
def test_other_names_are_sorted_as_text(names: list[str]) -> None:
    assert label_order(names) == sorted(names)


def test_gaps_are_no_count() -> None:
    assert not are_counted(numbers_of(["3", "7", "20"])) and label_order(["20", "3", "7"]) == ["3", "7", "20"]
    assert not are_counted(numbers_of(["2", "3"])) and not are_counted(None)


@given(st.permutations(FOLDERS))
def test_names_of_the_data_are_matched_in_any_order(own: list[str]) -> None:
    assert sentences(lambda: ordered(*own)) == []
    assert ordered(*own) == list(FOLDERS)
    assert ordered(*(name.upper().replace(" ", "_") for name in own)) == ["CAT", "DOG", "SEA_LION"]
    assert ordered(*own, stated=("001.cat", "002.dog", "003.sea_lion")) == list(FOLDERS)


def test_names_that_occur_twice_are_matched_in_their_order() -> None:
    assert ordered("dog", "Crane", "crane", stated=("crane", "crane", "dog")) == ["Crane", "crane", "dog"]


def test_a_name_without_a_match_is_an_error_that_names_it() -> None:
    with pytest.raises(LabelError, match=r"1 given name matches no class: 'bird'; 1 class has no given name: 'dog'"):
        ordered("sea lion", "bird", "cat")
    with pytest.raises(LabelError, match=r"'dog' and 'sea lion'"):
        ordered("cat")
    with pytest.raises(LabelError, match=r"3 given names for 3 classes"):
        ordered("cat", "cat", "dog", stated=("cat", "dog", "dog"))


def test_other_words_at_the_places_of_a_stated_order_are_taken() -> None:
    assert ordered("cat", "hound", "sea lion", order_stated=True) == ["cat", "hound", "sea lion"]
    assert (
        ordered("Cardigan", "tree", "cardigan", stated=("corgi", "tree", "cardigan"), order_stated=True)[0]
        == "Cardigan"
    )
    with pytest.raises(LabelError, match="'hound'"):
        ordered("sea lion", "hound", "cat", order_stated=True, from_card=True)


def test_an_order_that_cannot_be_checked_is_remarked() -> None:
    names, said = remarked(lambda: ordered("a", "b", "c"))
    assert names == ["a", "b", "c"] and [(remark.code, remark.count) for remark in said] == [("class-order", 3)]
    assert sentences(lambda: ordered("a", "b", "c", stated=("3", "7", "20")))
    assert not sentences(lambda: ordered("a", "b", "c", stated=("0", "1", "2")))
    assert not sentences(lambda: ordered("a", "b", "c", order_stated=True, from_card=True))


def test_wordnet_ids_become_imagenets_names() -> None:
    names = ("n01440764", "N01443537", "n99999999", "n02085620-Chihuahua", "n02086240-Shih-Tzu", "cat")
    words, said = remarked(lambda: told_words_of(names))
    assert words == ("tench", "goldfish", "n99999999", "Chihuahua", "Shih-Tzu", "cat")
    assert [(remark.code, remark.count) for remark in said] == [("wordnet-names", 4)]
    assert words_of(("cat", "n1")) == ("cat", "n1") and not sentences(lambda: told_words_of(("cat", "n1")))
    assert len(imagenet_names()) == 1000 and is_id("n99999999")


IDS = [
    *("id_0012", "class 3", "CLASS-07", "label12", "idx.4", "IMG_0034", "n99999999", "/m/01g317", "m.01g317"),
    *("a3f09c1e77", "0xdeadbeef01", "d41d8cd98f00b204e9800998ecf8427e", "123e4567-e89b-12d3-a456-426614174000"),
    *("x7Kp2QzR9", "3f2a9c0b"),
]
WORDS = [
    *("facade", "decade", "dead", "beef", "A300B4", "C-130", "DC-10", "737-200", "F/A-18", "MD-11", "Boeing 707-320"),
    *("BMW 3 Series Sedan 2012", "T-shirt", "Type-S", "1950s house", "24-carat gold", "iPhone", "covid19", "R2D2"),
    *("Il-76", "ATR-72", "Audi R8 Coupe 2012", "n", "no", "class", "category", "label", "bananas", "accede"),
]


@pytest.mark.parametrize("name", IDS)
def test_ids_are_known_by_their_form(name: str) -> None:
    assert is_id(name) and not is_number(name)


@pytest.mark.parametrize("name", WORDS)
def test_words_with_digits_are_no_ids(name: str) -> None:
    assert not is_id(name) and not is_number(name)


def test_no_word_on_a_card_is_an_id() -> None:
    checked = 0
    for path in task_card_files().values():
        names = read_task(path).classes or []
        words = [name for name in names if not is_number(name)]
        checked += len(words)
        assert sentences(partial(tell_of_ids, names, from_card=True)) == [], path
        assert sentences(partial(tell_of_ids, words, from_card=False)) == [], path
    assert checked > 3000


@pytest.mark.parametrize(
    ("names", "text", "count"),
    [
        (("0", "1", "12"), "3 class names are bare numbers", 3),
        (("-1", "0.5", "cat"), "2 class names are bare numbers", 2),
        (("7",), "1 class name is a bare number", 1),
        (("c0", "c1", "c2"), "3 class names differ only in their numbers", 3),
        (("class 1", "class 2"), "2 class names differ only in their numbers", 2),
        (("id 0012", "id 0040", "dog"), "2 class names are ids", 2),
        (("001.Albatross", "002.Auk"), "2 class names begin with consecutive numbers", 2),
    ],
)
def test_numbers_and_ids_as_prompts_are_remarked(names: tuple[str, ...], text: str, count: int) -> None:
    _, (said,) = remarked(lambda: tell_of_ids(names, from_card=False))
    assert (said.code, said.count, said.brief) == ("ids-as-prompts", count, text)
    assert said.text.startswith(f"{text}, and the prompts are made of ")


@pytest.mark.parametrize("names", [("cat", "dog"), ("iPhone 11", "iPhone 12"), ("3 dogs", "5 cats"), ("eel",)])
def test_words_are_not_remarked(names: tuple[str, ...]) -> None:
    assert sentences(lambda: tell_of_ids(names, from_card=False)) == []


def test_a_number_before_a_name_is_no_part_of_it() -> None:
    assert [without_leading_id(name) for name in ("001.Auk", "7 - cat", "737-200", "12", "cat 3")] == [
        *("Auk", "cat", "200", "12", "cat 3")
    ]
