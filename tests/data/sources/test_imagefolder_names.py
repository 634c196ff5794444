"""Image folders: which class each folder is, by the card's names, the user's or its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from data.image_folders import opened, two_classes
from data.layouts import CLASSES, contents, image_bytes, named, write_folder
from said import remarked

from vlmbench.cards import SourceSpec
from vlmbench.catalogue import named_tasks
from vlmbench.class_names import normalise
from vlmbench.data.base import SourceContext
from vlmbench.data.open import open_source
from vlmbench.errors import LabelError
from vlmbench.prompts import prompt_set
from vlmbench.tasks.base import TaskOptions


def test_sorted_folder_names_are_the_classes_if_the_card_names_none(tmp_path: Path) -> None:
    dataset = opened(two_classes(tmp_path))
    assert dataset.classes == ("cat", "sea lion")
    assert contents(dataset) == [("cat/2.png", 0, image_bytes(2)), ("sea_lion/1.png", 1, image_bytes(1))]
    assert (dataset.info.kind, dataset.info.location) == ("imagefolder", str(tmp_path))


def test_folders_are_mapped_to_the_cards_classes_by_name(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"T-shirt/a.png": b"1", "sea_lion/b.png": b"2", "border collie/c.png": b"3"})
    dataset = opened(root, named(*CLASSES))
    assert dataset.classes == CLASSES
    assert [(s.id, s.target) for s in dataset.samples] == [
        ("sea_lion/b.png", 0),
        ("border collie/c.png", 1),
        ("T-shirt/a.png", 2),
    ]


def test_folders_that_do_not_match_the_classes_are_listed(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"1 missing: dog; 1 unexpected: cat\)\n.*`folders`"):
        opened(two_classes(tmp_path), named("dog", "sea lion"))


def test_explicit_folders_give_the_label_order(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    dataset = opened(root, named("Seals", "Cats"), folders=["sea_lion", "cat"])
    assert dataset.classes == ("Seals", "Cats")
    assert [(s.id, s.target) for s in dataset.samples] == [("sea_lion/1.png", 0), ("cat/2.png", 1)]
    assert opened(root, folders=["sea_lion", "cat"]).classes == ("sea lion", "cat")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["sea_lion"], "1 unexpected: cat"),
        (["sea_lion", "cat", "dog"], "1 missing: dog"),
        (["sea_lion", "cat", "cat"], "names a folder twice"),
        (["Sea_Lion", "cat"], "1 missing: Sea_Lion; 1 unexpected: sea_lion"),
    ],
)
def test_explicit_folders_must_be_exact(tmp_path: Path, folders: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        opened(two_classes(tmp_path), folders=folders)


def test_folders_and_class_names_must_be_as_many(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="2 folders for 1 class name"):
        opened(two_classes(tmp_path), named("one"), folders=["sea_lion", "cat"])


def test_ambiguous_names_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a_b/1.png": b"1", "A-B/2.png": b"2"})
    with pytest.raises(LabelError, match="'A-B' and 'a_b' have the same class name"):
        opened(root, named("a b", "c"))
    with pytest.raises(LabelError, match="two classes of the card have the same name"):
        opened(two_classes(tmp_path / "other"), named("crane", "crane"))


def test_folders_named_in_another_encoding_are_no_prompts(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "set")
    os.mkdir(os.fsencode(root) + b"/caf\xe9")
    write_folder(root / os.fsdecode(b"caf\xe9"), {"1.png": image_bytes(1)})
    with pytest.raises(LabelError, match="is not Unicode text"):
        prompt_set(named_tasks(f"imagefolder:{root}").cards[0], opened(root), TaskOptions())
    own = ("kitten", "bistro", "seal")
    dataset, _ = remarked(lambda: opened(root, SourceContext(own_names=own)))
    assert dataset.classes == own


def test_names_that_are_no_utf8_become_readable_ids(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    strange = os.fsencode(tmp_path / "cat") + b"/\xff.png"
    try:
        with open(strange, "wb") as file:
            file.write(image_bytes(0))
    except OSError:
        pytest.skip("this file system refuses such names")
    dataset = open_source(SourceSpec(kind="imagefolder", location=str(tmp_path)), SourceContext())
    assert [sample.id for sample in dataset.samples] == ["cat/\\xff.png"]
    assert dataset.read(0) == image_bytes(0) and len(dataset.state()) == 64


def test_folders_that_differ_in_case_alone_are_two_classes_or_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"Cat/1.png": b"1", "cat/1.PNG": b"2", "cat/1.png": b"3"})
    assert [sample.id for sample in opened(root).samples] == ["Cat/1.png", "cat/1.PNG", "cat/1.png"]
    with pytest.raises(LabelError, match="'Cat' and 'cat' have the same class name"):
        opened(root, named("cat"))


@pytest.mark.parametrize("spell", [str, "{:02d}".format, lambda i: str(i + 1), "class_{}".format])
def test_numbered_folders_take_the_users_names_in_natural_order(spell: Callable[[int], str], tmp_path: Path) -> None:
    root = write_folder(tmp_path, {f"{spell(i)}/{i}.png": image_bytes(i) for i in range(12)})
    names = tuple(f"name {letter}" for letter in "lkjihgfedcba")
    context = SourceContext(own_names=names)
    dataset, said = remarked(lambda: opened(root, context))
    assert dataset.classes == names and not said
    assert {sample.id.split("/")[1]: dataset.classes[sample.target] for sample in dataset.samples} == {  # type: ignore[index]
        f"{i}.png": name for i, name in enumerate(names)
    }


def test_the_users_names_are_matched_to_folders_by_name(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    for own in (("cat", "sea lion"), ("Sea-Lion", "CAT")):
        dataset, said = remarked(lambda own=own: opened(root, SourceContext(own_names=own)))  # type: ignore[misc]
        assert sorted(map(str.lower, own)) == sorted(map(str.lower, dataset.classes or ())) and not said
        assert [(sample.id, normalise(dataset.classes[sample.target])) for sample in dataset.samples] == [  # type: ignore[index]
            ("cat/2.png", "cat"),
            ("sea_lion/1.png", "sea lion"),
        ]
    with pytest.raises(LabelError, match=r"1 given name matches no class: 'dog'; .* no given name: 'sea lion'"):
        opened(root, SourceContext(own_names=("dog", "cat")))
    dataset, (said,) = remarked(lambda: opened(root, SourceContext(own_names=("tabby", "seal"))))
    assert dataset.classes == ("tabby", "seal") and said.code == "class-order"


def test_wordnet_folders_take_imagenets_names_in_label_order(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {f"{wnid}/1.png": b"x" for wnid in ("n01443537", "n01440764")})
    for own in (("goldfish", "tench"), ("tench", "goldfish")):
        assert opened(root, SourceContext(own_names=own)).classes == ("tench", "goldfish")
    dataset, said = remarked(lambda: opened(root, SourceContext(own_names=("tench", "Carassius auratus"))))
    assert dataset.classes == ("tench", "Carassius auratus") and not said
