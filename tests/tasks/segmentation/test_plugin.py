"""The whole task with toys: against the steps written out, through a run and back, native heads, bad masks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import toy_dense
from data.mask_files import coloured_palette, png, write_pairs
from said import remarked, sentences
from tasks.segmentation.literal import bilinear, pamr, sliding
from torch import Tensor
from toy_dense import FlawedHead, toy_model

from vlmbench.cards import TaskCard
from vlmbench.data.base import SourceContext, content_sha256
from vlmbench.data.open import open_dataset
from vlmbench.errors import (
    BadSampleError,
    CardError,
    DataError,
    LabelError,
    ModelError,
    NonFiniteFeaturesError,
    UnknownNameError,
    VlmbenchWarning,
)
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.metrics.segmentation import PixelCounts, mean_iou
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.segmentation.plugin import PLUGIN, SegmentationQuestion
from vlmbench.testing.toy_models import ToyModel
from vlmbench.testing.toy_parts import PATCH, ToyPatches, ToySegmenter
from vlmbench.testing.toy_tokens import CONTEXT_LENGTH, ToyTokens

CLASSES = ["background", "sea", "boat", "cow"]
SYNONYMS = {"background": ["sky", "wall"], "boat": ["boat", "ship"]}
TEMPLATES = ["a photo of {}.", "the {}"]
PROTOCOL: dict[str, Any] = {
    "short_side": 20,
    "long_side_limit": 40,
    "window": 12,
    "stride": 8,
    "remainder": "crop",
    "logit_scale": 30,
    "background": "class",
    "probability_threshold": 0.25,
    "synonyms": SYNONYMS,
}
SHAPE = (14, 18)
MODELS = ("toy-dense:patches", "toy-dense:head")


def masks() -> dict[str, bytes]:
    random = np.random.default_rng(1)
    found = {}
    for name in "abcdef":
        labels = random.integers(0, 4, SHAPE)
        labels[:2] = 255
        found[name] = png(labels)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = write_pairs(tmp_path / "set", masks())
    for seed, path in enumerate(sorted((root / "images").iterdir())):
        pixels = np.random.default_rng(seed).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).resize(SHAPE[::-1]).save(path, "PNG")
    return root


def card_of(folder: Path, **fields: Any) -> TaskCard:
    data = {
        "name": "t",
        "plugin": "segmentation",
        "sources": [{"kind": "masks", "location": str(folder)}],
        "classes": CLASSES,
        "templates": TEMPLATES,
        "protocol": PROTOCOL,
    }
    return TaskCard.model_validate({**data, **fields})


def question(card: TaskCard, options: TaskOptions | None = None) -> SegmentationQuestion:
    names = tuple(card.classes) if card.classes else None
    dataset = open_dataset(card.sources, SourceContext(class_names=names, target=PLUGIN.target(card)))
    return PLUGIN.ask(card, {"test": dataset}, options or TaskOptions())


def answer(
    card: TaskCard, model: ToyModel, options: TaskOptions | None = None, *, skip_bad: bool = False, batch_size: int = 2
) -> Outcome:
    engine = FeatureEngine(model, EngineSettings(batch_size=batch_size, skip_bad=skip_bad))
    return question(card, options).answer(engine)


def counts_in(outcome: Outcome) -> PixelCounts:
    return PixelCounts(
        *(np.array(outcome.predictions[name].to_pylist()) for name in ("intersection", "predicted", "truth"))
    )


def literal_counts(folder: Path, model: ToyModel, patches: ToyPatches, steps: int) -> list[list[np.ndarray]]:
    """Every step with loops: resize, patch cosines, windows, own size, PAMR, softmax, synonyms, threshold, counts."""
    words, owners = ["sky", "wall", "sea", "boat", "ship", "cow"], [0, 0, 1, 2, 2, 3]
    features = [model.encode_text([t.format(word) for t in TEMPLATES]).numpy().mean(axis=0) for word in words]
    head = np.stack([feature / np.linalg.norm(feature) for feature in features])
    found = []
    for path in sorted((folder / "images").iterdir()):
        own = np.asarray(PIL.Image.open(path).convert("RGB")).transpose(2, 0, 1).astype(float)
        resized = np.round(bilinear(own, (20, 26))) / 255 - 0.5  # 18 * 20 / 14 = 25.7

        def score(crop: np.ndarray) -> np.ndarray:
            height, width = (side // PATCH for side in crop.shape[1:])
            grid = np.zeros((len(head), height, width))
            for row in range(height):
                for column in range(width):
                    patch = crop[:, row * PATCH : (row + 1) * PATCH, column * PATCH : (column + 1) * PATCH]
                    feature = (patch.mean(axis=(1, 2)) + 0.01) @ patches.weight.numpy()
                    grid[:, row, column] = head @ (feature / np.linalg.norm(feature))
            return grid

        scores = sliding(resized, 12, 8, score, len(head), SHAPE)
        if steps:
            scores = pamr(scores, bilinear(resized, SHAPE), steps, [1, 2])
        exponents = np.exp(30 * scores)
        probabilities = exponents / exponents.sum(axis=0)
        of_classes = np.stack([probabilities[[o == c for o in owners]].max(axis=0) for c in range(4)])
        predicted = of_classes.argmax(axis=0)
        predicted[of_classes.max(axis=0) < 0.25] = 0
        truth = np.asarray(PIL.Image.open(folder / "masks" / f"{path.stem}.png"))
        rows = []
        for inside in (lambda p, t, c: (p == c) & (t == c), lambda p, t, c: p == c, lambda p, t, c: t == c):
            rows.append(np.array([(inside(predicted, truth, c) & (truth != 255)).sum() for c in range(4)]))
        found.append(rows)
    return found


@pytest.mark.parametrize("steps", [0, 2])
def test_an_answer_is_that_of_the_steps_written_out(folder: Path, steps: int) -> None:
    patches = ToyPatches()
    model = toy_model(patches=patches)
    protocol = {**PROTOCOL, "pamr_steps": steps, "pamr_dilations": [1, 2]}
    outcome = answer(card_of(folder, protocol=protocol), model)
    expected = literal_counts(folder, model, patches, steps)
    counts = counts_in(outcome)
    for found, index in ((counts.intersection, 0), (counts.predicted, 1), (counts.truth, 2)):
        assert np.abs(found - np.array([rows[index] for rows in expected])).max() <= 1, "a tie may fall otherwise"
    assert outcome.metrics["miou"].value == pytest.approx(mean_iou(counts, interval=False).value)
    assert outcome.metrics["miou"].n == 6 and outcome.metrics["pixel_accuracy"].chance == 0.25
    table = outcome.predictions
    assert table["sample"].to_pylist() == [f"{name}.jpg" for name in "abcdef"]
    dataset = question(card_of(folder)).dataset
    assert table["content"].to_pylist() == [content_sha256(dataset, index) for index in range(6)]
    assert [row.n for row in outcome.per_class] == [6] * 4
    assert (counts.predicted.sum(axis=0) > 0).all(), "every class is predicted somewhere"


def test_batch_size_changes_nothing_and_bounds_the_windows(folder: Path) -> None:
    patches = ToyPatches()
    several = answer(card_of(folder), toy_model(patches=patches), batch_size=3)
    assert max(call[0] for call in patches.calls) == 3
    assert (
        counts_in(several).predicted.tolist()
        == counts_in(answer(card_of(folder), toy_model(patches=ToyPatches()), batch_size=100)).predicted.tolist()
    )


def test_a_native_head_sees_whole_images_and_one_text_a_word(folder: Path) -> None:
    head = ToySegmenter()
    model = toy_model(head=head, patches=ToyPatches())
    asked = question(card_of(folder, protocol={"synonyms": SYNONYMS}))
    outcome = asked.answer(FeatureEngine(model, EngineSettings()))
    assert head.heard == [f"a photo of {word}." for word in ("sky", "wall", "sea", "boat", "ship", "cow")]
    for row, path in enumerate(sorted((folder / "images").iterdir())):
        (scores,) = head.segment([PIL.Image.open(path).convert("RGB")], head.heard)
        labels = np.array([0, 0, 1, 2, 2, 3])[scores.argmax(dim=0).numpy()]
        truth = np.asarray(PIL.Image.open(folder / "masks" / f"{path.stem}.png"))
        expected = [int(((labels == label) & (truth != 255)).sum()) for label in range(4)]
        assert outcome.predictions["predicted"][row].as_py() == expected
    protocol = asked.protocol(model)
    assert protocol["readout"] == "native" and protocol["templates"] == TEMPLATES[:1]
    assert "window" not in protocol and "logit_scale" not in protocol
    assert not model.text_calls


def test_words_that_a_model_reads_as_one(folder: Path) -> None:
    """Two words of one class may well be; those of different classes may not."""
    words = {"background": ["the ocean wave", "the ocean waves"], "boat": ["the ocean liner"]}
    card = card_of(folder, protocol={"synonyms": words}, templates=["{}"])
    cut = (
        "texts-cut: 3 of 5 prompts are longer than the 10 tokens that the model reads, the longest has 15; their ends "
        "were cut off, and 3 of them are now equal to another one: 'the ocean liner', 'the ocean wave', "
        "'the ocean waves'"
    )
    same = (
        "indistinct-classes: 3 of 5 class names are equal to another one for the model: "
        "'the ocean wave' = 'the ocean waves' = …"
    )
    own = card_of(folder, protocol={"synonyms": {"background": words["background"]}}, templates=["{}"])
    for model in (toy_model(head=ToySegmenter()), toy_model(patches=ToyPatches())):
        letters = ToyTokens(partial(_first_letters, model))
        model.capabilities = {**model.capabilities, "TokenReader": letters}
        model.encode_text = letters.encode  # type: ignore[method-assign]
        assert [line for line in sentences(partial(answer, card, model)) if "unscored" not in line] == [cut, same]
        assert "indistinct-classes" not in {remark.code for remark in remarked(partial(answer, own, model))[1]}


def _first_letters(model: ToyModel, texts: Sequence[str]) -> Tensor:
    return ToyModel.encode_text(model, [text[:CONTEXT_LENGTH] for text in texts])


def test_the_readout_can_be_chosen(folder: Path) -> None:
    both = toy_model(head=ToySegmenter(), patches=ToyPatches())
    chosen = {
        asked: question(card_of(folder), TaskOptions(protocol={"readout": asked})).protocol(both)["readout"]
        for asked in ("auto", "native", "plain", "other")
    }
    assert chosen == {"auto": "native", "native": "native", "plain": "plain", "other": "other"}
    only = toy_model(patches=ToyPatches())
    assert question(card_of(folder)).protocol(only)["readout"] == "plain"
    assert counts_in(answer(card_of(folder), only, TaskOptions(protocol={"readout": "other"}))).predicted.tolist() != (
        counts_in(answer(card_of(folder), only)).predicted.tolist()
    )


@pytest.mark.parametrize(
    ("model", "readout", "words"),
    [
        (toy_model(), "auto", "neither a segmentation head of its own .* nor patch features"),
        (toy_model(patches=ToyPatches()), "native", "no segmentation head of its own. Known: other, plain"),
        (toy_model(patches=ToyPatches()), "plian", "no readout 'plian'. Did you mean 'plain'.*--readout"),
        (toy_model(head=ToySegmenter()), "plain", "no readout 'plain'. Known: native"),
    ],
)
def test_a_model_that_cannot_is_told_what_would_do(folder: Path, model: ToyModel, readout: str, words: str) -> None:
    asked = question(card_of(folder), TaskOptions(protocol={"readout": readout}))
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(asked.unsupported(model))
    assert asked.unsupported(toy_model(patches=ToyPatches(readouts=("plain", "plian")), head=ToySegmenter())) is None


@pytest.mark.parametrize(("flaw", "error"), [("shape", ModelError), ("nan", NonFiniteFeaturesError)])
def test_a_head_that_misbehaves_is_named(folder: Path, flaw: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="the segmentation head returned"):
        answer(card_of(folder), toy_model(head=FlawedHead(flaw=flaw)))


def test_masks_that_do_not_fit_are_bad_samples_and_labels_that_do_not_stop_all(folder: Path) -> None:
    (folder / "masks" / "b.png").write_bytes(png(np.zeros((18, 14))))
    with pytest.raises(BadSampleError, match=r"'b.jpg': its mask is 14 x 18 pixels, the image 18 x 14"):
        answer(card_of(folder), toy_model(patches=ToyPatches()))
    outcome = answer(card_of(folder), toy_model(patches=ToyPatches()), skip_bad=True)
    assert outcome.predictions["sample"].to_pylist() == [f"{name}.jpg" for name in "acdef"]
    (folder / "masks" / "b.png").write_bytes(png(np.full(SHAPE, 4)))
    for skip_bad in (False, True):
        with pytest.raises(LabelError, match=r"'b.jpg': its mask has the value 4, but classes are 0 to 3"):
            answer(card_of(folder), toy_model(patches=ToyPatches()), skip_bad=skip_bad)
    nameless = card_of(folder, classes=None, protocol={})
    with pytest.raises(LabelError, match=r"'b.jpg': its mask has label 4, but there are 4 classes"):
        answer(nameless, toy_model(patches=ToyPatches()), TaskOptions(class_names=tuple("stuv")))
    for path in (folder / "masks").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="no sample could be scored"):
        answer(card_of(folder), toy_model(patches=ToyPatches()), skip_bad=True)


def test_classes_that_no_mask_has_are_said(folder: Path) -> None:
    card = card_of(folder, classes=[*CLASSES, "yak"], protocol={"short_side": None})
    outcome, said = remarked(lambda: answer(card, toy_model(patches=ToyPatches())))
    sentence = (
        "1 of 5 classes is in no mask of the 6 images, in which 216 pixels of 6 masks were not scored (label, 255 "
        "ignored): yak"
    )
    assert sentence in [remark.sentence for remark in said]
    assert outcome.per_class[4].n == 0 and outcome.per_class[4].values["accuracy"] is None


def test_masks_without_a_scored_pixel_are_said_and_a_dataset_of_them_is_an_error(folder: Path) -> None:
    (folder / "masks" / "b.png").write_bytes(png(np.full(SHAPE, 255)))
    _, said = remarked(lambda: answer(card_of(folder), toy_model(patches=ToyPatches())))
    assert [remark.sentence for remark in said] == ["1 mask has no pixel to score: b.jpg"]
    for path in (folder / "masks").iterdir():
        path.write_bytes(png(np.full(SHAPE, 255)))
    with pytest.raises(DataError, match=r"no pixel of 6 masks is scored \(label, 255 ignored\)\n.*`ignore`"):
        answer(card_of(folder), toy_model(patches=ToyPatches()))


def test_the_users_class_names_tell_how_many_classes_masks_have(request_: RunRequest, folder: Path) -> None:
    for seed, path in enumerate(sorted((folder / "masks").iterdir())):
        path.write_bytes(png(np.random.default_rng(seed).choice([0, 255], SHAPE)))
    options = TaskOptions(class_names=("sky", "sea"))
    (result,) = run(replace(request_, tasks=(f"masks:{folder}",), options=options))
    assert result.record is not None and [row.n for row in result.record.per_class] == [6, 6]
    assert result.record.task.protocol["mask_values"] == "value to label {0: 0, 255: 1}, no value ignored"
    (result,) = run(replace(request_, tasks=(f"masks:{folder}",), options=TaskOptions(class_names=("a", "b", "c"))))
    assert result.record is not None
    sentences = [remark.text for remark in result.record.remarks if remark.code == "unscored-classes"]
    assert len(sentences) == 1 and "2 of 3 classes are in no mask of the 6 images, in which " in sentences[0]


def test_each_answer_says_what_is_odd_about_masks_once(request_: RunRequest, folder: Path) -> None:
    """In a run of several models that share a dataset, and not again for pictures or for photographs with a tag."""
    values = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) % 3
    for name, colours in zip("abc", ([0, 0, 0, 9, 9, 0, 8, 8, 0], [0, 0, 0, 8, 8, 0, 9, 9, 0], [1] * 9), strict=True):
        (folder / f"masks/{name}.png").write_bytes(coloured_palette(values, colours))
    photograph = folder / "images/b.jpg"
    tag = PIL.Image.Exif()
    tag[0x0112] = 3
    PIL.Image.open(photograph).save(photograph, "PNG", exif=tag)
    options = TaskOptions(visuals=6, class_names=tuple(CLASSES))
    for result in run(replace(request_, options=options, tasks=(f"masks:{folder}",), models=MODELS)):
        assert result.record is not None
        said = [remark for remark in result.record.remarks if remark.code == "mask-palettes-differ"]
        assert [(remark.count, remark.examples) for remark in said] == [(2, ("b.jpg", "c.jpg"))]


def test_cards_of_other_kinds_are_refused(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown metric 'iou'[\s\S]*miou"):
        PLUGIN.check(card_of(folder, metrics=["iou"]), TaskOptions())
    with pytest.raises(CardError, match="segmentation cards have no `multi_label`: remove it"):
        PLUGIN.check(card_of(folder, multi_label=True), TaskOptions())


def test_pictures_of_answers_are_as_many_as_asked_for(folder: Path) -> None:
    outcome = answer(card_of(folder), toy_model(patches=ToyPatches()), TaskOptions(visuals=2))
    visuals = outcome.visuals()
    assert list(visuals) == ["000-a.png", "001-b.png"]
    for content in visuals.values():
        picture = PIL.Image.open(io.BytesIO(content))
        assert picture.format == "PNG" and picture.width > 3 * 18
    assert visuals["000-a.png"] != visuals["001-b.png"]
    assert not answer(card_of(folder), toy_model(patches=ToyPatches())).visuals


def run(request: RunRequest) -> list[PairResult]:
    toy_dense.LOADED.clear()
    return execute(make_plan(request), request, NotesAsWarnings())


@pytest.fixture
def request_(folder: Path, tmp_path: Path) -> RunRequest:
    (tmp_path / "t.yaml").write_text(card_of(folder).model_dump_json())
    return RunRequest(
        models=("toy-dense:patches",), tasks=(str(tmp_path / "t.yaml"),), results=tmp_path / "runs", device="cpu"
    )


def test_a_run_writes_a_record_and_finds_it_again(request_: RunRequest, folder: Path) -> None:
    (first,) = run(request_)
    record = first.record
    assert first.status == "done" and record is not None and first.path is not None
    assert record.main_metric == "miou" and record.task.plugin == "segmentation"
    assert record.task.protocol["readout"] == "plain" and record.task.protocol["mask_values"] == "label, 255 ignored"
    assert record.model.capabilities == ["DenseEncoder"]
    assert record.run.seconds["image_forward"] > 0
    table = pq.read_table(first.path.with_suffix(".parquet"))
    counts = PixelCounts(*(np.array(table[name].to_pylist()) for name in ("intersection", "predicted", "truth")))
    assert mean_iou(counts).value == record.main.value, "a gate can compute the metric again"
    assert record.main.ci95 is None and record.main.reason == mean_iou(counts).reason == "6 images are too few"
    (again,) = run(request_)
    assert again.status == "found" and again.record == record and not toy_dense.LOADED[0].text_calls


@pytest.mark.parametrize("change", [{"readout": "other"}, {"stride": 4}, {"pamr_steps": 1}, {"logit_scale": 31}])
def test_whatever_can_change_a_number_makes_another_run(request_: RunRequest, change: dict[str, Any]) -> None:
    (first,) = run(request_)
    (other,) = run(replace(request_, options=TaskOptions(protocol=change)))
    assert other.status == "done" and first.record is not None and other.record is not None
    assert other.record.id != first.record.id
    (field, value), *_ = change.items()
    assert other.record.task.protocol[field] == value


def test_masks_read_in_another_way_make_another_run(request_: RunRequest, folder: Path, tmp_path: Path) -> None:
    (first,) = run(request_)
    source = {"kind": "masks", "location": str(folder), "options": {"ignore": [0, 255]}}
    (tmp_path / "t.yaml").write_text(card_of(folder, sources=[source]).model_dump_json())
    (other,) = run(request_)
    assert other.status == "done" and first.record is not None and other.record is not None
    assert other.record.task.dataset.fingerprint == first.record.task.dataset.fingerprint
    assert other.record.id != first.record.id


def test_samples_left_out_are_left_out_again(request_: RunRequest, folder: Path) -> None:
    (folder / "masks" / "b.png").write_bytes(png(np.zeros((18, 14))))
    (first,) = run(request_)
    assert first.status == "failed" and first.failure is not None and "14 x 18" in first.failure.message
    (skipped,) = run(replace(request_, skip_bad=True))
    assert skipped.status == "done" and skipped.record is not None
    assert [(bad.id, bad.content is None) for bad in skipped.record.bad_samples] == [("b.jpg", False)]
    (again,) = run(replace(request_, skip_bad=True))
    assert again.status == "found"
    (folder / "masks" / "b.png").write_bytes(masks()["b"])
    (mended,) = run(replace(request_, skip_bad=True))
    assert mended.status == "done" and mended.record is not None and not mended.record.bad_samples


def test_a_model_without_the_capability_is_unsupported_and_the_others_go_on(request_: RunRequest) -> None:
    request = replace(request_, models=("toy-dense:nothing", "toy-dense:head", "toy-dense:patches+head"))
    with pytest.warns(VlmbenchWarning, match="toy-dense:nothing cannot be asked t: it has neither"):
        results = run(request)
    assert [result.status for result in results] == ["unsupported", "done", "done"]
    failure = results[0].failure
    assert failure is not None and "cannot be asked t: it has neither" in failure.message and results[0].exit_code == 0


def test_ones_own_folders_need_no_card(request_: RunRequest, folder: Path) -> None:
    options = TaskOptions(class_names=("sky, wall", "sea", "boat, ship", "cow"), templates=tuple(TEMPLATES))
    (result,) = run(replace(request_, tasks=(f"masks:{folder}",), options=options))
    assert result.status == "done" and result.record is not None
    assert [row.name for row in result.record.per_class] == ["sky, wall", "sea", "boat, ship", "cow"]
    assert result.record.task.protocol["words"]["boat, ship"] == ["boat", "ship"]


def test_the_demos_scenes(request_: RunRequest) -> None:
    (result,) = run(replace(request_, tasks=("demo-segmentation",), options=TaskOptions(limit=3)))
    assert result.status == "done" and result.record is not None
    assert result.record.task.protocol["words"] == {"background": []} and result.record.task.dataset.source == "demo"
    assert [row.name for row in result.record.per_class][:2] == ["background", "circle"]
    assert result.record.per_class[0].n == 3


def test_synonyms_that_are_set_play_a_part_unless_the_users_class_names_replace_them(
    request_: RunRequest, folder: Path
) -> None:
    names = ("sky", "sea", "boat", "cow")
    card_free = replace(request_, tasks=(f"masks:{folder}",))
    chosen = {"synonyms": {"boat": ["boat", "ship"]}, "pamr_dilations": [2]}
    (result,) = run(replace(request_, options=TaskOptions(protocol=chosen)))
    assert result.record is not None and result.record.run.settings == {"synonyms": {"boat": ["boat", "ship"]}}
    assert unused(result) == ("pamr_dilations",)
    options = TaskOptions(protocol={"synonyms": {"boat": ["ship"]}}, class_names=names, templates=("a {}",))
    (replaced,) = run(replace(card_free, options=options))
    assert replaced.record is not None and replaced.record.run.settings == {}
    assert unused(replaced) == ("synonyms",)


def unused(result: PairResult) -> tuple[str, ...]:
    assert result.record is not None
    (remark,) = [remark for remark in result.record.remarks if remark.code == "setting-unused"]
    return remark.examples
