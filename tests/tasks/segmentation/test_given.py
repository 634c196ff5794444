"""Predicted masks that were made elsewhere: the same numbers as those of the run, names of all kinds, refused files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import yaml
from command_line import command
from data.mask_files import coloured_palette, png, saved, write_pairs
from said import remarked
from toy_dense import toy_model

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.data.base import SourceContext, SourceInfo
from vlmbench.data.contents import ContentHashes
from vlmbench.data.image_files import ImageFiles
from vlmbench.data.open import open_dataset
from vlmbench.errors import BadSampleError, MissingDataError, ModelError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.saved_answers import SavedAnswers
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.predictions.adapter import load
from vlmbench.remarks.base import Remark
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.given.base import answered
from vlmbench.tasks.segmentation.given import find_masks, saving_masks
from vlmbench.tasks.segmentation.plugin import PLUGIN, SegmentationQuestion
from vlmbench.testing.toy_parts import ToyPatches, ToySegmenter

CLASSES = ["background", "sea", "boat", "cow"]
SHAPE = (14, 18)
METRICS = ["miou", "pixel_accuracy"]
PROTOCOL = {"short_side": 20, "window": 12, "stride": 8, "background": "class", "probability_threshold": 0.25}


def truth(name: str) -> np.ndarray:
    labels = np.random.default_rng(ord(name)).integers(0, 4, SHAPE)
    labels[:2] = 255
    return labels


def guess(name: str) -> np.ndarray:
    """Classes of which about two thirds are right, also at pixels that are not scored."""
    random = np.random.default_rng(ord(name) + 100)
    labels = np.where(truth(name) == 255, 0, truth(name))
    return np.where(random.random(SHAPE) < 0.7, labels, random.integers(0, 4, SHAPE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_pairs(tmp_path / "set", {name: png(truth(name)) for name in "abcdef"})
    for seed, path in enumerate(sorted((root / "images").iterdir())):
        pixels = np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(path, "PNG")
    return root


def question(
    folder: Path, options: TaskOptions | None = None, *, images_optional: bool = False, **fields: Any
) -> SegmentationQuestion:
    source: dict[str, Any] = {"kind": "masks", "location": str(folder), **fields.pop("source", {})}
    data = {"name": "t", "plugin": "segmentation", "sources": [source], "classes": CLASSES, "protocol": PROTOCOL}
    card = TaskCard.model_validate({**data, "templates": ["a {}."], "metrics": METRICS, **fields})
    names = tuple(card.classes) if card.classes else None
    dataset = open_dataset(
        card.sources, SourceContext(class_names=names, target="mask", images_optional=images_optional)
    )
    return PLUGIN.ask(card, {"test": dataset}, options or TaskOptions())


def system(folder: Path, **options: Any) -> Model:
    card = ModelCard(name="their segmenter", adapter="predictions", spec=str(folder), options=options)
    return load(card, LoadOptions())


def given(asked: SegmentationQuestion, model: Model, *, skip_bad: bool = False) -> Outcome:
    return answered(asked, FeatureEngine(model, EngineSettings(skip_bad=skip_bad)), ContentHashes())


def write(root: Path, masks: Mapping[str, bytes]) -> Path:
    for name, content in masks.items():
        path = root / "t" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


@pytest.fixture
def judge(folder: Path, tmp_path: Path) -> Callable[..., tuple[Outcome, list[Remark]]]:
    def outcome(masks: Mapping[str, bytes], **options: Any) -> tuple[Outcome, list[Remark]]:
        write(tmp_path / "answers", masks)
        return remarked(lambda: given(question(folder), system(tmp_path / "answers", **options)))

    return outcome


GUESSES = {f"{name}.png": png(guess(name)) for name in "abcdef"}


@pytest.mark.parametrize("kind", ["patches", "head"])
def test_saved_masks_give_the_same_numbers(folder: Path, tmp_path: Path, kind: str) -> None:
    model = toy_model(patches=ToyPatches()) if kind == "patches" else toy_model(head=ToySegmenter())
    asked = question(folder)
    engine = FeatureEngine(model, EngineSettings(batch_size=2))
    engine.saving = SavedAnswers(tmp_path / "answers", "t")
    run = asked.answer(engine)
    assert sorted(path.name for path in (tmp_path / "answers" / "t").iterdir()) == sorted(GUESSES)
    outcome, said = remarked(lambda: given(asked, system(tmp_path / "answers")))
    assert outcome.metrics == run.metrics and outcome.per_class == run.per_class
    assert outcome.predictions.equals(run.predictions) and dict(outcome.contents) == dict(run.contents)
    assert not said


def test_numbers_are_those_of_a_confusion_matrix(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    outcome, said = judge(GUESSES)
    confusion = np.zeros((4, 4))
    for name in "abcdef":
        for expected, found in zip(truth(name).ravel(), guess(name).ravel(), strict=True):
            if expected != 255:
                confusion[expected, found] += 1
    right = np.diag(confusion)
    ious = right / (confusion.sum(axis=0) + confusion.sum(axis=1) - right)
    assert outcome.metrics["miou"].value == pytest.approx(ious.mean(), abs=1e-12)
    assert outcome.metrics["pixel_accuracy"].value == pytest.approx(right.sum() / confusion.sum(), abs=1e-12)
    assert not said


@pytest.mark.parametrize("mode", ["L", "P", "I;16"])
def test_the_mode_of_a_mask_changes_nothing(judge: Callable[..., tuple[Outcome, list[Remark]]], mode: str) -> None:
    plain, _ = judge(GUESSES)
    other, _ = judge({f"{name}.png": png(guess(name), mode) for name in "abcdef"})
    assert other.metrics == plain.metrics


@pytest.mark.parametrize("form", ["x/{}.png", "{}.jpg.png", "{}_labelTrainIds.png", "{}_pred.tif", "a/b/{}_mask.png"])
def test_names_of_masks(judge: Callable[..., tuple[Outcome, list[Remark]]], form: str) -> None:
    if "_pred" in form:
        with pytest.raises(ModelError, match="none of its 6 masks has the name of an image"):
            judge({form.format(name): saved(guess(name).astype(np.uint8), "TIFF") for name in "abcdef"})
        return
    outcome, said = judge({form.format(name): png(guess(name)) for name in "abcdef"})
    assert outcome.metrics["miou"].n == 6 and not said


def test_names_of_the_datas_own_masks(tmp_path: Path) -> None:
    """Cityscapes' images and masks have different ends of names."""
    root = tmp_path / "set"
    for seed, name in enumerate("ab"):
        for path, content in (
            (root / "images" / "town" / f"{name}_leftImg8bit.png", rgb(np.full(SHAPE, seed))),
            (root / "masks" / "town" / f"{name}_own.png", png(truth(name))),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    source = {"options": {"image_suffix": "_leftImg8bit.png", "mask_suffix": "_own.png"}}
    asked = question(root, source=source)
    for form in ("town/{}_own.png", "{}_own.png", "town/{}_leftImg8bit.png", "{}_leftImg8bit.png"):
        answers = write(tmp_path / form.replace("/", "-"), {form.format(name): png(guess(name)) for name in "ab"})
        assert sorted(find_masks(answers / "t", asked.dataset)) == [0, 1], form


def test_a_missing_mask_is_refused_or_left_out(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    some = {name: mask for name, mask in GUESSES.items() if name not in ("b.png", "e.png")}
    with pytest.raises(ModelError, match=r"2 of 6 samples have no answer: 'b.jpg' and 'e.jpg'"):
        judge(some)
    outcome, said = judge(some, missing="left-out")
    assert outcome.metrics["miou"].n == 4 and outcome.predictions["sample"].to_pylist() == [
        f"{name}.jpg" for name in "acdf"
    ]
    assert [(remark.code, remark.count, remark.unranked) for remark in said] == [("answers-missing", 2, True)]


def test_masks_of_other_images_are_a_remark(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    _, said = judge({**GUESSES, "z.png": png(guess("a")), ".hidden.png": b"", "notes.txt": b"read me"})
    (remark,) = said
    assert remark.code == "answers-unmatched" and remark.examples == ("z.png",)


def test_two_masks_of_one_image_are_refused(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    others = {name: mask for name, mask in GUESSES.items() if name != "a.png"}
    with pytest.raises(ModelError, match="several masks"):
        judge({**others, "a_mask.png": png(guess("a")), "a_label.png": png(guess("a"))})


def test_a_subset_needs_only_its_own_masks(folder: Path, tmp_path: Path) -> None:
    asked = question(folder, TaskOptions(limit=2))
    names = [asked.dataset.samples[index].id.replace(".jpg", ".png") for index in asked.indices]
    write(tmp_path / "answers", {name: GUESSES[name] for name in names})
    assert given(asked, system(tmp_path / "answers")).metrics["miou"].n == 2


def rgb(values: np.ndarray) -> bytes:
    return saved(np.stack([values * 40, values, values * 7], axis=2).astype(np.uint8), "PNG")


def jpeg(values: np.ndarray) -> bytes:
    return saved(values.astype(np.uint8), "JPEG")


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (rgb, "holds colours .mode RGB., not class indices", "class indices, 0 for the first class"),
        (jpeg, "lossy compression", "as PNG"),
        (lambda values: png(values[:-1]), "a.png is 18 x 13 pixels, but the true mask is 18 x 14", "Resize"),
        (lambda values: png(np.where(values == 3, 4, values)), "the value 4 .* 4 classes are 0 to 3", "first_value: 1"),
        (lambda values: png(np.where(values == 3, 200, values)), "the value 200", "needs a class"),
        (lambda values: png(np.full(SHAPE, 255)), "216 pixels have the value 255", "needs a class"),
        (lambda values: b"", "a.png cannot be used", ""),
        (lambda values: png(values)[:60], "a.png cannot be used", ""),
    ],
)
def test_a_mask_that_cannot_be_used(
    judge: Callable[..., tuple[Outcome, list[Remark]]], make: Callable[[np.ndarray], bytes], message: str, hint: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        judge({**GUESSES, "a.png": make(guess("a"))})
    assert "a.png" in caught.value.message and hint in (caught.value.hint or "")


def test_pixels_that_are_not_scored_may_have_any_value(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    """The data's own masks are perfect answers, although they have 255."""
    outcome, said = judge({f"{name}.png": png(truth(name)) for name in "abcdef"})
    assert outcome.metrics["miou"].value == 1.0 and not said


def test_values_from_1_are_refused_and_read_with_the_option(
    judge: Callable[..., tuple[Outcome, list[Remark]]],
) -> None:
    plain, _ = judge(GUESSES)
    shifted = {f"{name}.png": png(guess(name) + 1) for name in "abcdef"}
    with pytest.raises(ModelError, match="the value 4"):
        judge(shifted)
    assert judge(shifted, first_value=1)[0].metrics == plain.metrics
    with pytest.raises(ModelError, match="classes are 1 to 4"):
        judge(GUESSES, first_value=1)
    with pytest.raises(ModelError, match="must be 0 or above"):
        judge(GUESSES, first_value=-1)


def test_values_from_1_that_all_exist_are_refused_because_of_the_truth(
    judge: Callable[..., tuple[Outcome, list[Remark]]],
) -> None:
    """No pixel is called a cow, so no value is above the last class: only the truth shows the mistake."""
    shifted = {f"{name}.png": png(np.where(guess(name) == 3, 0, guess(name)) + 1) for name in "abcdef"}
    with pytest.raises(ModelError, match="seem to count the classes from 1") as caught:
        judge(shifted)
    assert "first_value: 0" in (caught.value.hint or "")
    stated, _ = judge(shifted, first_value=0)
    assert stated.metrics["pixel_accuracy"].value < judge(shifted, first_value=1)[0].metrics["pixel_accuracy"].value / 2


def test_a_damaged_true_mask_is_a_bad_sample(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "answers", GUESSES)
    (folder / "masks" / "c.png").write_bytes(b"no mask")
    with pytest.raises(BadSampleError):
        given(question(folder), system(tmp_path / "answers"))
    outcome = given(question(folder), system(tmp_path / "answers"), skip_bad=True)
    assert outcome.metrics["miou"].n == 5 and 2 not in outcome.contents


def test_a_file_or_an_empty_folder_holds_no_masks(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "t").write_bytes(b"")
    with pytest.raises(ModelError, match="is a file, but predicted masks are the files of a folder"):
        given(question(folder), system(tmp_path / "one"))
    (tmp_path / "two" / "t").mkdir(parents=True)
    (tmp_path / "two" / "t" / "a.npy").write_bytes(b"")
    with pytest.raises(ModelError, match="holds no image files"):
        given(question(folder), system(tmp_path / "two"))


def test_saved_names_are_found_again_for_ids_of_any_kind(tmp_path: Path) -> None:
    ids = ["x.jpg", "x.png", "x.png.jpg", "sub/x.jpg", "000123", "../up.jpg", "row 7", "a\\b.jpg", "q:*.jpg"]

    dataset = ImageFiles(tmp_path, SourceInfo("masks", "here"), [(name, None) for name in ids], None)
    place = SavedAnswers(tmp_path, "t")
    with saving_masks(place, 300) as save:
        for number, name in enumerate(ids):
            save(name, np.full((2, 3), number + 250))
    found = find_masks(tmp_path / "t", dataset)
    values = {index: int(np.asarray(PIL.Image.open(path)).max()) for index, path in found.items()}
    assert values == {index: index + 250 for index in range(len(ids))}, "16 bits hold classes above 255"
    assert all(path.resolve().is_relative_to(tmp_path) for path in found.values())


def test_a_failed_run_leaves_no_masks(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), saving_masks(SavedAnswers(tmp_path, "t"), 3) as save:
        save("a.jpg", np.zeros((2, 2), dtype=np.int64))
        raise RuntimeError("no more")
    assert not list(tmp_path.iterdir())


def test_a_run_of_saved_masks_compares_as_unchanged(folder: Path, tmp_path: Path) -> None:
    card = {
        "name": "t",
        "plugin": "segmentation",
        "sources": [{"kind": "masks", "location": str(folder)}],
        "classes": CLASSES,
        "templates": ["a {}."],
        "metrics": METRICS,
        "protocol": PROTOCOL,
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(card))
    run = ("run", "-t", tmp_path / "t.yaml", "--device", "cpu", "--save-visuals", 1)
    command(*run, "-m", "toy-dense:patches", "--results", tmp_path / "a", "--save-answers", tmp_path / "x", code=0)
    command(*run, "-m", f"predictions:{tmp_path / 'x'}", "--results", tmp_path / "b", code=0)
    assert "unchanged" in command("compare", tmp_path / "a", tmp_path / "b", code=0).stdout


def test_palettes_do_not_matter(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    colours = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]
    plain, _ = judge(GUESSES)
    other, _ = judge({f"{name}.png": coloured_palette(guess(name), colours) for name in "abcdef"})
    assert other.metrics == plain.metrics


@pytest.mark.parametrize("options", [{}, {"images": "images", "masks": "masks"}, {"list": "val.txt"}])
def test_masks_are_scored_without_images(folder: Path, tmp_path: Path, options: dict[str, str]) -> None:
    (folder / "val.txt").write_text("".join(f"{name}\n" for name in "abcdef"))
    write(tmp_path / "answers", GUESSES)
    asked = question(folder, source={"options": options})
    with_images = given(asked, system(tmp_path / "answers"))
    shutil.rmtree(folder / "images")
    with pytest.raises(MissingDataError):
        question(folder, source={"options": options})
    absent = question(folder, images_optional=True, source={"options": {"images": "images", **options}})
    outcome, said = remarked(lambda: given(absent, system(tmp_path / "answers")))
    assert outcome.metrics == with_images.metrics and outcome.per_class == with_images.per_class
    assert outcome.images_absent and "images-absent" in {remark.code for remark in said}
    assert [sample.id for sample in absent.dataset.samples] == [f"{name}.jpg" for name in "abcdef"]


def test_a_run_without_images_says_so_and_refuses_other_models(folder: Path, tmp_path: Path) -> None:
    shutil.rmtree(folder / "images")
    write(tmp_path / "answers", GUESSES)
    card = {
        "name": "t",
        "plugin": "segmentation",
        "sources": [{"kind": "masks", "location": str(folder)}],
        "classes": CLASSES,
        "templates": ["a {}."],
        "metrics": METRICS,
    }
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(card))
    run = ("run", "-t", tmp_path / "t.yaml", "--device", "cpu", "--results", tmp_path / "a")
    command(*run, "-m", f"predictions:{tmp_path / 'answers'}", code=0)
    (record,) = (tmp_path / "a").rglob("*.json")
    assert json.loads(record.read_text())["task"]["dataset"]["images"] == "absent"
    refused = command(*run, "-m", "toy-dense:patches", "-m", f"predictions:{tmp_path / 'answers'}", code=1)
    assert "has no images" in refused.stdout + refused.stderr


def test_a_mask_of_another_split_is_not_that_of_the_last_image_without_one(tmp_path: Path) -> None:
    images = ImageFiles(tmp_path, SourceInfo("masks", "here"), [("a/1.jpg", ()), ("b/1.jpg", ())], tuple(CLASSES))
    for name in ("a/1.png", "c/1.png"):
        path = tmp_path / "t" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(png(np.zeros(SHAPE)))
    assert find_masks(tmp_path / "t", images) == {0: tmp_path / "t" / "a" / "1.png"}
