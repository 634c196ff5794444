"""Image folders: label order, what counts as an image, and everything that can be wrong with a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import toy_adapter
from command_line import command
from data.layouts import CLASSES, contents, image_bytes, named, write_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from said import remarked, sentences

from vlmbench.cards import SourceSpec
from vlmbench.catalogue import named_tasks
from vlmbench.class_names import normalise
from vlmbench.data.base import ImageDataset, SourceContext
from vlmbench.data.open import open_source
from vlmbench.errors import BadSampleError, DataError, LabelError, MissingDataError, UsageError
from vlmbench.prompts import prompt_set
from vlmbench.tasks.base import TaskOptions

assert toy_adapter  # its model is registered


def opened(root: Path, context: SourceContext | None = None, **fields: object) -> ImageDataset:
    spec = SourceSpec.model_validate({"kind": "imagefolder", "location": str(root), **fields})
    return open_source(spec, context or SourceContext())


def two_classes(root: Path) -> Path:
    return write_folder(root, {"sea_lion/1.png": image_bytes(1), "cat/2.png": image_bytes(2)})


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
    with pytest.raises(LabelError, match="2 folders for 1 class names"):
        opened(two_classes(tmp_path), named("one"), folders=["sea_lion", "cat"])


def test_ambiguous_names_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"a_b/1.png": b"1", "A-B/2.png": b"2"})
    with pytest.raises(LabelError, match="'A-B' and 'a_b' have the same class name"):
        opened(root, named("a b", "c"))
    with pytest.raises(LabelError, match="two classes of the card have the same name"):
        opened(two_classes(tmp_path / "other"), named("crane", "crane"))


def test_images_are_found_at_any_depth_in_any_case_and_nothing_else_is(tmp_path: Path) -> None:
    root = write_folder(
        tmp_path,
        {
            "b/deep/er/Z.JPEG": b"1",
            "b/a.tiff": b"2",
            "b/.hidden.png": b"3",
            "b/.git/x.png": b"4",
            "b/notes.txt": b"5",
            "b/noextension": b"6",
            ".cache/x.png": b"7",
            "loose.png": b"8",
            "classnames.txt": b"zzz",
        },
    )
    assert [sample.id for sample in opened(root).samples] == ["b/a.tiff", "b/deep/er/Z.JPEG"]


def test_an_empty_class_folder_is_a_class(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    (root / "bird").mkdir()
    dataset = opened(root, named("bird", "cat", "sea lion"))
    assert [sample.target for sample in dataset.samples] == [1, 2]


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    write_folder(tmp_path / "store", {"1.png": b"1"})
    root = write_folder(tmp_path / "set", {"cat/2.png": b"2"})
    (root / "cat" / "linked").symlink_to(tmp_path / "store", target_is_directory=True)
    (root / "cat" / "3.png").symlink_to(tmp_path / "store" / "1.png")
    (root / "cat" / "up").symlink_to(root, target_is_directory=True)
    (root / "cat" / "self").symlink_to(root / "cat", target_is_directory=True)
    (root / "dog").symlink_to(tmp_path / "store", target_is_directory=True)
    dataset = opened(root)
    assert [s.id for s in dataset.samples] == ["cat/2.png", "cat/3.png", "cat/linked/1.png", "dog/1.png"]
    assert dataset.read(1) == b"1"


def test_unreadable_files_are_bad_samples_that_are_counted(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"cat/gone.png": b"1", "cat/ok.png": b"2"})
    (root / "cat" / "broken.png").symlink_to(root / "nowhere.png")
    (root / "cat" / "circle.png").symlink_to(root / "cat" / "circle.png")
    os.mkfifo(root / "cat" / "pipe.png")
    dataset = opened(root)
    (root / "cat" / "gone.png").unlink()
    reasons = {}
    for index, sample in enumerate(dataset.samples):
        try:
            dataset.read(index)
        except BadSampleError as error:
            reasons[sample.id] = error.reason
    assert set(reasons) == {f"cat/{name}.png" for name in ("broken", "circle", "gone", "pipe")}
    assert "No such file" in reasons["cat/gone.png"]
    assert reasons["cat/pipe.png"] == "not a regular file"


def test_denied_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = opened(two_classes(tmp_path))

    def deny(*_: object) -> None:  # a mode of 000 would not stop root, who runs many containers
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", deny)
        with pytest.raises(BadSampleError, match=r"'cat/2.png': cannot be read: Permission denied"):
            dataset.read(0)
    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", deny)
        with pytest.raises(DataError, match=r"folder .* cannot be read: Permission denied"):
            opened(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", deny)
        with pytest.raises(DataError, match=r"cannot be looked at: Permission denied"):
            opened(tmp_path)


def test_state_follows_names_sizes_and_times(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    states = [opened(root).state(), opened(root).state()]
    assert states[0] == states[1]
    os.utime(root / "cat" / "2.png", ns=(1, 1))
    states.append(opened(root).state())
    (root / "cat" / "2.png").rename(root / "cat" / "3.png")
    states.append(opened(root).state())
    states.append(opened(root, folders=["sea_lion", "cat"]).state())
    dataset = opened(root)
    (root / "cat" / "3.png").unlink()
    states.append(dataset.state())
    assert len(set(states)) == 5


def test_the_place_is_looked_for_under_the_data_root_then_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two_classes(tmp_path / "root" / "pets")
    write_folder(tmp_path / "here", {"pets/cat/9.png": b"9", "toys/car/1.png": b"1"})
    monkeypatch.chdir(tmp_path / "here")
    context = SourceContext(data_root=tmp_path / "root")
    assert len(opened(Path("pets"), context).samples) == 2
    assert len(opened(Path("pets")).samples) == 1
    assert len(opened(Path("toys"), context).samples) == 1
    monkeypatch.setenv("HOME", str(tmp_path / "root"))
    assert len(opened(Path("~/pets")).samples) == 2
    with pytest.raises(MissingDataError) as raised:
        opened(Path("cars"), context)
    assert str(tmp_path / "root" / "cars") in str(raised.value)
    assert str(tmp_path / "here" / "cars") in str(raised.value)


def test_a_split_is_a_folder_between(tmp_path: Path) -> None:
    two_classes(tmp_path / "val")
    assert opened(tmp_path, split="val").info.split == "val"
    with pytest.raises(MissingDataError, match="no split 'test' in"):
        opened(tmp_path, split="test")


def test_other_locations_are_tried_in_order_under_each_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    context = SourceContext(data_root=tmp_path / "root")
    two_classes(tmp_path / "here" / "a")
    assert opened(Path("a"), context, other_locations=["b", "c"]).info.location == "a"
    two_classes(tmp_path / "root" / "c")
    assert opened(Path("a"), context, other_locations=["b", "c"]).info.location == "c", "the data root comes first"
    two_classes(tmp_path / "root" / "b")
    assert opened(Path("a"), context, other_locations=["b", "c"]).info.location == "b"
    with pytest.raises(MissingDataError, match=r"not found at x, y \(looked in .*root and .*here\)"):
        opened(Path("x"), context, other_locations=["y"])


def test_other_folders_are_ignored_only_where_the_card_says_so(tmp_path: Path) -> None:
    write_folder(two_classes(tmp_path), {"dog/3.png": image_bytes(3)})
    for fields, context in (({"folders": ["sea_lion", "cat"]}, SourceContext()), ({}, named("sea lion", "cat"))):
        with pytest.raises(LabelError, match="1 unexpected: dog"):
            opened(tmp_path, context, **fields)
        dataset = opened(tmp_path, context, options={"other_folders": "ignore"}, **fields)
        assert [(s.id, s.target) for s in dataset.samples] == [("sea_lion/1.png", 0), ("cat/2.png", 1)]
        with pytest.raises(UsageError, match="'refuse' or 'ignore', not 'skip'"):
            opened(tmp_path, context, options={"other_folders": "skip"}, **fields)
    with pytest.raises(LabelError, match="1 missing: eel"):
        opened(tmp_path, folders=["cat", "eel"], options={"other_folders": "ignore"})


def test_a_shared_name_without_any_of_the_classes_is_another_datasets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_classes(tmp_path / "here" / "val")
    monkeypatch.chdir(tmp_path / "here")
    write_folder(tmp_path / "root", {"val/n01/1.png": b"1"})
    context = SourceContext(data_root=tmp_path / "root", class_names=("cat", "sea lion"))
    shared = {"options": {"shared": True}}
    assert opened(Path("val"), context, **shared).read(0) == image_bytes(2), "the one here has them"
    (tmp_path / "root" / "val" / "cat").mkdir()
    with pytest.raises(LabelError, match="1 missing: sea lion; 1 unexpected: n01"):
        opened(Path("val"), context, **shared)
    for path in ("flat/val/1.png", "file/val"):
        write_folder(tmp_path / path.split("/")[0], {path.split("/", 1)[1]: b"1"})
        root = tmp_path / path.split("/")[0]
        monkeypatch.chdir(root)
        with pytest.raises(MissingDataError, match="val"):
            opened(Path("val"), SourceContext(data_root=root, class_names=("cat", "sea lion")), **shared)
    monkeypatch.chdir(tmp_path / "flat")
    with pytest.raises(MissingDataError, match=r"val \(there, but with none of the 2 class folders\)"):
        opened(Path("val"), named("cat", "sea lion"), **shared)
    with pytest.raises(MissingDataError, match="none of the 1 class folders"):
        opened(Path("val"), folders=["n02"], **shared)
    with pytest.raises(UsageError, match="shared is true or false, not 'no'"):
        opened(Path("val"), options={"shared": "no"})
    with pytest.raises(UsageError, match="must name its classes"):
        opened(Path("val"), **shared)


def test_what_is_no_image_folder_is_said(tmp_path: Path) -> None:
    flat = write_folder(tmp_path / "flat", {"1.png": b"1", "2.jpg": b"2"})
    with pytest.raises(LabelError, match=r"2 images directly in it and no class folders\nExpected: "):
        opened(flat)
    with pytest.raises(LabelError, match="no class folders in it"):
        opened(write_folder(tmp_path / "empty", {}))
    with pytest.raises(DataError, match="no image in any of the 1 class folders"):
        opened(write_folder(tmp_path / "docs", {"cat/a.txt": b"1"}))
    with pytest.raises(DataError, match="is a file, not a folder"):
        opened(flat / "1.png")
    with pytest.raises(LabelError, match="multi-label"):
        opened(flat, SourceContext(target="classes"))
    with pytest.raises(UsageError, match="unknown option 'recursive'"):
        opened(flat, options={"recursive": True})


def test_real_cifar10(real_data: Path) -> None:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    dataset = opened(real_data / "cifar10" / "test", named(*names))
    assert [sum(s.target == label for s in dataset.samples) for label in range(10)] == [60] * 10
    assert all(sample.id.startswith(f"{names[sample.target]}/") for sample in dataset.samples)  # type: ignore[index]


def test_real_imagenet_by_its_wordnet_folders(real_data: Path) -> None:
    root = real_data / "imagenet-sample" / "val"
    folders = sorted(path.name for path in root.iterdir())
    dataset = opened(root, named(*(f"class {i}" for i in range(1000))), folders=folders)
    assert [sample.target for sample in dataset.samples] == list(range(1000))


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


STRANGERS = {
    "cat/a.heic": "of another kind by their names",
    "cat/without ending": "of another kind by their names",
    "dog/b.png.download": "of another kind by their names",
    "readme.md": "of another kind by their names",
    "loose.JPG": "beside the class folders",
    "cat/.DS_Store": "hidden",
    ".hidden.png": "hidden",
    "dog/Thumbs.db": "of the system's",
    "__MACOSX/cat/._1.png": "in hidden or system folders",
    "@eaDir/cat/1.png@SynoEAStream": "in hidden or system folders",
    "lost+found/1.png": "in hidden or system folders",
    "cat/.ipynb_checkpoints/1-checkpoint.png": "in hidden or system folders",
    "dog/sub/@eaDir/2.png": "in hidden or system folders",
}
"""What lies beside images, and why it is passed over."""


@settings(max_examples=40, deadline=None)
@given(st.sets(st.sampled_from(sorted(STRANGERS))))
def test_strangers_are_counted_by_reason_and_never_read(strangers: set[str]) -> None:
    images = ["cat/1.png", "cat/2.JFIF", "dog/sub/1.avif", "dog/x.jpg/2.png"]
    with TemporaryDirectory() as top:
        root = write_folder(Path(top), dict.fromkeys((*images, *strangers), b"x"))
        dataset, said = remarked(lambda: opened(root))
    assert [sample.id for sample in dataset.samples] == images and dataset.classes == ("cat", "dog")
    assert [(remark.code, remark.count) for remark in said] == [("files-passed-over", len(strangers))] * bool(strangers)
    for reason, count in Counter(STRANGERS[path] for path in strangers).items():
        assert f"{count} {reason}" in said[0].text


@pytest.mark.parametrize("path", STRANGERS)
def test_each_stranger_fails_under_strict(path: str, tmp_path: Path) -> None:
    pictures = {f"set/{name}/1.png": image_bytes(i) for i, name in enumerate(("cat", "dog"))}
    write_folder(tmp_path, {**pictures, f"set/{path}": b"x"})
    run = ("run", "-m", "toy:a", "-t", f"imagefolder:{tmp_path / 'set'}", "--no-cache", "--results", tmp_path / "runs")
    done = command(*run, "--strict", code=1)
    assert "1 file of imagefolder" in done.stderr and "[files-passed-over]" in done.stderr
    assert "1 file passed over" in command(*run, code=0).stdout


def test_class_folders_without_an_image_are_remarked(tmp_path: Path) -> None:
    root = write_folder(two_classes(tmp_path), {"bird/list.txt": b"x", "eel/deep/.x": b"x"})
    (root / "fox").mkdir()
    (root / "cat" / "up").symlink_to(root)
    (root / "gnu").symlink_to(root)
    assert sentences(lambda: opened(root)) == [
        f"files-passed-over: 2 files of imagefolder '{root}' were passed over (1 hidden; 1 of another kind by their "
        "names: 1 .txt): bird/list.txt, eel/deep/.x",
        f"empty-classes: 4 of the 6 class folders of imagefolder '{root}' hold no image: bird, eel, fox, …",
    ]
    with pytest.raises(DataError, match=r"no image in any of the 1 class .*; 2 of another kind .*: 2 \.heic\n"):
        opened(write_folder(tmp_path / "phone", {"cat/1.HEIC": b"x", "cat/2.heic": b"x"}))


def test_folders_without_junk_are_the_classes(tmp_path: Path) -> None:
    root = two_classes(tmp_path)
    for name in ("__MACOSX", "@eaDir", "lost+found", ".ipynb_checkpoints", "$RECYCLE.BIN", "System Volume Information"):
        (root / name / "cat").mkdir(parents=True)
    dataset, said = remarked(lambda: opened(root))
    assert dataset.classes == ("cat", "sea lion") and not said, "empty folders hold no files"


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
    with pytest.raises(LabelError, match=r"1 of the given names match no class: 'dog'; .* no given name: 'sea lion'"):
        opened(root, SourceContext(own_names=("dog", "cat")))
    dataset, (said,) = remarked(lambda: opened(root, SourceContext(own_names=("tabby", "seal"))))
    assert dataset.classes == ("tabby", "seal") and said.code == "class-order"


def test_wordnet_folders_take_imagenets_names_in_label_order(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {f"{wnid}/1.png": b"x" for wnid in ("n01443537", "n01440764")})
    for own in (("goldfish", "tench"), ("tench", "goldfish")):
        assert opened(root, SourceContext(own_names=own)).classes == ("tench", "goldfish")
    dataset, said = remarked(lambda: opened(root, SourceContext(own_names=("tench", "Carassius auratus"))))
    assert dataset.classes == ("tench", "Carassius auratus") and not said
