"""Answers of toys that know colours: the right classes, the protocol's every choice, and what is refused."""

from __future__ import annotations

import doctest
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
from said import remarked
from tasks.detection.asked import ask, card_of, pycocotools_on
from tasks.detection.models import Colourist, colourist, finder
from toy_adapter import toy

from vlmbench.answers.paired_metric import measured
from vlmbench.answers.tables import Answers
from vlmbench.cards import SourceSpec, make_task
from vlmbench.errors import BadSampleError, CardError, DataError, LabelError, ModelError, UnknownNameError, UsageError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.images.decoded import Picture
from vlmbench.metrics.detection.measures import COCO_MEASURES
from vlmbench.remarks.base import Remark
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.detection import readouts
from vlmbench.tasks.detection.measures import ACCURACIES
from vlmbench.tasks.detection.plugin import PLUGIN
from vlmbench.tasks.detection.regions import HELD, Regions, grouped
from vlmbench.tasks.detection.results import coco_results
from vlmbench.testing.toy_models import ToyModel
from vlmbench.testing.toy_records import make_record
from vlmbench.testing.toy_tokens import ToyTokens

EVERY = [*COCO_MEASURES, *ACCURACIES]


OF_THESE_PICTURES = {"given-boxes"}
"""Remarks of nearly every answer here: most protocols do not say whose boxes count."""


def told(make: Callable[[], Outcome]) -> tuple[Outcome, list[Remark]]:
    """An outcome, and what is said but for that."""
    outcome, said = remarked(make)
    return outcome, [remark for remark in said if remark.code not in OF_THESE_PICTURES]


def told_sentences(make: Callable[[], Outcome]) -> list[str]:
    """The same, as ``code: sentence``."""
    return [f"{remark.code}: {remark.sentence}" for remark in told(make)[1]]


def answer(
    folder: Path,
    protocol: dict[str, Any] | None = None,
    model: ToyModel | None = None,
    options: TaskOptions | None = None,
    *,
    skip_bad: bool = False,
    **fields: Any,
) -> Outcome:
    question = ask(card_of(folder, protocol, **fields), options)
    model = model or colourist()
    assert question.unsupported(model) is None
    return question.answer(FeatureEngine(model, EngineSettings(batch_size=2, skip_bad=skip_bad)))


def value(outcome: Outcome, name: str) -> float | None:
    return outcome.metrics[name].value


@pytest.mark.parametrize("protocol", [{}, {"crop_scale": 1.0, "region_readout": "crop"}])
def test_true_boxes_are_named_by_their_colour(folder: Path, protocol: dict[str, Any]) -> None:
    outcome = answer(folder, protocol, metrics=EVERY)
    assert [value(outcome, name) for name in ("ap", "mean_class_accuracy_top1")] == pytest.approx([1.0, 1.0])
    assert outcome.metrics["mean_class_accuracy_top1"].n == 6
    assert outcome.metrics["mean_class_accuracy_top1"].chance == pytest.approx(1 / 3)
    assert outcome.metrics["ap"].n == 4 and outcome.metrics["ap"].reason == "4 images are too few"
    assert [(row.name, row.n, row.values["ap"]) for row in outcome.per_class] == [
        ("red", 3, pytest.approx(1.0)),
        ("green", 2, pytest.approx(1.0)),
        ("blue", 1, pytest.approx(1.0)),
    ]
    table = outcome.predictions.to_pydict()
    assert table["image_id"] == [1, 2, 3, 7] and table["sample"][0] == "1.png"
    assert [len(row) for row in table["scores"]] == [3, 0, 6, 9], "every box is a detection of every class"
    assert table["region_ranks"] == [[1], [], [1, 1], [1, 1, 1]]
    assert table["truth_labels"] == [[1], [], [0, 2], [0, 0, 1]]
    assert set(outcome.contents) == {0, 1, 2, 3}


def test_the_table_gives_the_results_file_and_pycocotools_gives_the_numbers(folder: Path) -> None:
    outcome = answer(folder, model=toy(), metrics=EVERY)
    expected = pycocotools_on(folder, coco_results(outcome.predictions))
    got = [value(outcome, name) for name in COCO_MEASURES]
    assert [-1.0 if number is None else number for number in got] == pytest.approx(expected, abs=1e-9)
    assert 0 < expected[0] <= 1


def test_a_subset_is_evaluated_on_its_own_images(folder: Path) -> None:
    outcome = answer(folder, model=toy(), options=TaskOptions(limit=2, seed=3))
    ids = outcome.predictions["image_id"].to_pylist()
    assert len(ids) == 2
    expected = pycocotools_on(folder, coco_results(outcome.predictions), ids)
    assert value(outcome, "ap") == pytest.approx(expected[0], abs=1e-9)


def test_roi_align_reads_the_patches_in_each_box(folder: Path) -> None:
    protocol = {"region_readout": "roi-align", "image_size": 160}
    outcome = answer(folder, protocol, colourist("dense"), metrics=EVERY)
    assert value(outcome, "mean_class_accuracy_top1") == pytest.approx(1.0)
    fine = answer(folder, {**protocol, "roi_grid": 3, "readout": "other"}, colourist("dense"), metrics=EVERY)
    assert value(fine, "mean_class_accuracy_top1") == pytest.approx(1.0)
    settled = ask(card_of(folder, protocol)).protocol(colourist("dense"))
    assert settled["readout"] == "plain" and settled["roi_grid"] == 1 and "crop_scale" not in settled


def test_an_enlarged_cut_has_its_surroundings(folder: Path) -> None:
    class Watching(Colourist):
        def preprocess(self, image: PIL.Image.Image) -> torch.Tensor:
            sizes.append(image.size)
            return super().preprocess(image)

    sizes: list[tuple[int, int]] = []
    answer(folder, {"crop_scale": 2.0}, Watching(colourist().card))
    assert sizes[0] == (40, 12), "40 x 8 at the top edge: nothing above or beside it"


def test_background_takes_its_share_of_the_softmax(folder: Path) -> None:
    plain, shared = answer(folder), answer(folder, {"background": ["red and green wall"]})
    for before, after in zip(
        plain.predictions["scores"].to_pylist(), shared.predictions["scores"].to_pylist(), strict=True
    ):
        assert len(before) == len(after) and sum(after) <= sum(before)
    sums = [sum(map(sum, outcome.predictions["scores"].to_pylist())) for outcome in (plain, shared)]
    assert sums[0] == pytest.approx(6.0) and sums[1] < 5.999, "over classes and background it is one a box"
    assert all(label < 3 for row in shared.predictions["labels"].to_pylist() for label in row)


def test_threshold_and_limit(folder: Path) -> None:
    assert [len(row) for row in answer(folder, {"max_detections": 2}).predictions["scores"].to_pylist()] == [2, 0, 2, 2]
    rows = answer(folder, {"score_threshold": 0.5}).predictions["scores"].to_pylist()
    assert [len(row) for row in rows] == [1, 0, 2, 3] and all(score >= 0.5 for row in rows for score in row)


def written(tmp_path: Path, results: Any) -> str:
    path = tmp_path / "proposals.json"
    path.write_text(json.dumps(results))
    return str(path)


PROPOSALS = [
    {"image_id": 3, "bbox": [2, 4, 20, 12], "score": 0.9},
    {"image_id": 3, "bbox": [2, 4, 20, 12.5], "score": 0.4},
    {"image_id": 3, "bbox": [30, 10, 8, 16], "score": 0.3},
    {"image_id": 3, "bbox": [90, 90, 5, 5], "score": 0.2},
    {"image_id": 1, "bbox": [0, 0, 40, 8], "score": 0.5},
]


def proposed(tmp_path: Path, folder: Path, **protocol: Any) -> Outcome:
    return answer(folder, {"regions": "proposals", "proposals": written(tmp_path, PROPOSALS), **protocol})


def test_proposals_are_named_scored_and_suppressed(tmp_path: Path, folder: Path) -> None:
    loose = proposed(tmp_path, folder, nms_iou=None)
    strict, said = told(lambda: proposed(tmp_path, folder))
    counts = [[len(row) for row in outcome.predictions["scores"].to_pylist()] for outcome in (loose, strict)]
    assert counts == [[3, 0, 9, 0], [3, 0, 6, 0]], "of the two that overlap, one stays in each class"
    assert [(remark.code, remark.count) for remark in said] == [("no-proposals", 2), ("empty-regions", 1)]
    assert said[0].text == "2 of 4 images have no proposals, so no object can be found in them"
    assert said[1].text == "1 proposal was empty or outside its image, so the model did not classify it"
    assert "region_ranks" not in strict.predictions.column_names
    few = proposed(tmp_path, folder, max_proposals=1)
    assert few.predictions["boxes"].to_pylist()[2][0] == [2, 4, 20, 12], "the surest"


def test_proposals_for_none_of_the_images_are_an_error(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="has no proposal for any image of the run"):
        answer(folder, {"regions": "proposals", "proposals": written(tmp_path, [])})


def test_every_field_that_changes_an_answer_is_in_the_protocol(tmp_path: Path, folder: Path) -> None:
    native = ({"regions": "native"}, {"regions": "native", "score_threshold": 0.5})
    settled = [ask(card_of(folder, fields, templates=["a {}"])).protocol(finder()) for fields in native]
    assert settled[0] != settled[1]
    path = next(folder.rglob("*.json"))
    data = json.loads(path.read_text())
    renumbered = {image["id"]: image["id"] + 100 for image in data["images"]}
    for entry in data["images"]:
        entry["id"] = renumbered[entry["id"]]
    for entry in data["annotations"]:
        entry["image_id"] = renumbered[entry["image_id"]]
    path.write_text(json.dumps(data))
    again = ask(card_of(folder, native[0], templates=["a {}"])).protocol(finder())
    assert again != settled[0], "proposals are found by the data's ids"


def test_boxes_of_another_size_of_the_image_are_bad_samples(folder: Path) -> None:
    path = next(folder.rglob("*.json"))
    data = json.loads(path.read_text())
    for image in data["images"]:
        image["width"], image["height"] = 400, 320
    path.write_text(json.dumps(data))
    with pytest.raises(BadSampleError, match=r"it is 40 x 32 pixels, but its boxes are for 400 x 320"):
        answer(folder)


def test_a_box_thinner_than_a_float_is_empty(folder: Path) -> None:
    path = next(folder.rglob("*.json"))
    data = json.loads(path.read_text())
    data["annotations"][0]["bbox"] = [20, 10, 1e-7, 10]
    path.write_text(json.dumps(data))
    _, (said,) = told(lambda: answer(folder))
    assert said.sentence.startswith("1 object was empty or outside its image") and said.code == "empty-regions"


def test_scores_may_be_multiplied_by_the_proposals_own(tmp_path: Path, folder: Path) -> None:
    plain = proposed(tmp_path, folder)
    times = proposed(tmp_path, folder, score="softmax-times-objectness")
    root = proposed(tmp_path, folder, score="sqrt-softmax-times-objectness")
    first = [outcome.predictions["scores"].to_pylist()[0][0] for outcome in (plain, times, root)]
    assert first[1] == pytest.approx(first[0] * 0.5) and first[2] == pytest.approx((first[0] * 0.5) ** 0.5)


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{"image_id": 99, "bbox": [0, 0, 1, 1], "score": 1}], "1 image id is not in the data: 99"),
        ([{"image_id": 1, "bbox": [0, 0, 1, 1], "score": float("nan")}], "entry 0 .* score nan"),
        ([{"image_id": 1, "bbox": [0, 0, 1], "score": 1}], "entry 0 .* has box"),
        ([{"image_id": 1, "bbox": [0, 0, 1, 1]}], "entry 0 lacks a valid image_id, bbox or score"),
        ([{"image_id": 1, "bbox": [0, 0, -1, 1], "score": 1}], "entry 0 .* has box"),
        ([{"image_id": 1.5, "bbox": [0, 0, 1, 1], "score": 1}], "1.5, which is not a whole number"),
        ([{"image_id": "1", "bbox": [0, 0, 1, 1], "score": 1}], "'1', which is not a whole number"),
        ({"images": []}, "a results file is a list, not a dict"),
    ],
)
def test_results_files_that_are_wrong(results: Any, message: str, tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match=message):
        ask(card_of(folder, {"regions": "proposals", "proposals": written(tmp_path, results)}))
    with pytest.raises(DataError, match="cannot be read"):
        ask(card_of(folder, {"regions": "proposals", "proposals": str(tmp_path / "none.json")}))


def test_proposals_that_nobody_names(tmp_path: Path, folder: Path) -> None:
    card = card_of(folder, {"regions": "proposals"})
    with pytest.raises(UsageError, match="the file of the proposals is not set"):
        ask(card)
    question = ask(card, TaskOptions(protocol={"proposals": written(tmp_path, PROPOSALS)}))
    assert question.how.nms_iou == 0.5, "the usual suppression of proposals"


def test_another_results_file_is_another_question(tmp_path: Path, folder: Path) -> None:
    def settled(results: Any) -> Any:
        card = card_of(folder, {"regions": "proposals", "proposals": written(tmp_path, results)})
        return ask(card).protocol(toy())["proposals_sha256"]

    assert settled(PROPOSALS) != settled(PROPOSALS[1:])


def test_selective_search_proposes_the_rectangles_whatever_the_thread(folder: Path) -> None:
    pytest.importorskip("cv2", reason="pip install 'vlmbench[proposals]'")
    protocol = {"regions": "selective-search", "max_proposals": 200}
    outcomes = [answer(folder, protocol) for _ in range(2)]
    assert outcomes[0].predictions == outcomes[1].predictions
    ap50 = value(outcomes[0], "ap50")
    assert ap50 is not None and ap50 > 0.7, "the long bar at the edge may be missed"
    few = answer(folder, {**protocol, "max_proposals": 2})
    assert max(len(row) for row in few.predictions["scores"].to_pylist()) <= 6
    assert ask(card_of(folder, protocol)).protocol(toy())["selective_search"].startswith("OpenCV")


def test_a_detector_answers_alone(folder: Path) -> None:
    outcome = answer(folder, {"regions": "native", "max_detections": 2}, finder(), templates=["a {}"])
    table = outcome.predictions.to_pydict()
    assert table["labels"] == [[0, 1]] * 4 and table["scores"][0] == [1.0, 0.5]
    assert table["boxes"][0][0] == [0, 0, 8, 8] and table["category_ids"][0] == [10, 11]
    with pytest.raises(ModelError, match="NaN"):
        answer(folder, {"regions": "native"}, finder("nan"), templates=["a {}"])


def test_cut_prompts_and_classes_that_become_one(folder: Path) -> None:
    """Of the model that reads ten letters, whichever way it answers."""
    cut = "texts-cut: 3 of 3 prompts are longer than the 10 tokens that the model reads, the longest has"
    same = "their ends were cut off, and 3 of them are now equal to another one"
    classes = "indistinct-classes: 3 of 3 class names are equal to another one for the model: 'red' = 'green' = …"
    detector = finder()
    detector.capabilities = {**detector.capabilities, "TokenReader": ToyTokens(detector.encode_text)}
    said = told_sentences(lambda: answer(folder, {"regions": "native"}, detector, templates=["one of many {}s"]))
    examples = "'one of many blues', 'one of many greens', 'one of many reds'"
    assert said == [f"{cut} 18; {same}: {examples}", classes]
    encoder = colourist()
    letters = ToyTokens(lambda texts: Colourist.encode_text(encoder, [text[:10] for text in texts]))
    encoder.capabilities = {"TokenReader": letters}
    encoder.encode_text = letters.encode  # type: ignore[method-assign]
    said = told_sentences(lambda: answer(folder, {}, encoder, templates=["one of many {}s"]))
    assert said == [f"{cut} 18; {same}: {examples}", classes]
    assert told_sentences(lambda: answer(folder, {}, encoder, templates=["a {}"])) == []
    (behind,) = told_sentences(lambda: answer(folder, {"background": ["a red"]}, encoder, templates=["{}"]))
    assert behind.endswith("2 of 4 class names are equal to another one for the model: 'red' = 'a red'")


def test_what_a_model_lacks_is_said_with_a_remedy(folder: Path) -> None:
    native = ask(card_of(folder, {"regions": "native"}, templates=["a {}"]))
    assert "no detector" in (native.unsupported(toy()) or "") and native.unsupported(finder()) is None
    aligned = ask(card_of(folder, {"region_readout": "roi-align"}))
    assert "region_readout=crop" in (aligned.unsupported(toy()) or "")
    assert aligned.unsupported(colourist("dense")) is None
    other = ask(card_of(folder, {"region_readout": "roi-align", "readout": "maskclip"}))
    assert "Use --readout with plain or other" in (other.unsupported(colourist("dense")) or "")


@pytest.mark.parametrize(
    ("protocol", "fields", "error", "message"),
    [
        ({}, {"metrics": ["ap51"]}, UnknownNameError, "unknown metric 'ap51'"),
        ({}, {"metrics": ["ap50_novel"]}, UnknownNameError, "unknown metric"),
        ({}, {"metrics": ["ar300"]}, UnknownNameError, "unknown metric"),
        ({"regions": "native"}, {"metrics": ["mean_class_accuracy_top1"]}, UsageError, "regions is 'native'"),
        ({"proposals": "a.json"}, {}, CardError, "needs `regions: proposals`, but regions is 'ground-truth'"),
        ({"score": "softmax-times-objectness"}, {}, CardError, "needs the scores of a proposals file"),
        ({"regions": "native", "background": ["x"]}, {}, CardError, "no `background` words"),
        ({"regions": "anywhere"}, {}, CardError, "regions"),
        ({"crop_scale": 0.5}, {}, CardError, "crop_scale"),
        ({"unknown": 1}, {}, CardError, "unknown"),
        ({"groups": {"small": ["red"]}}, {}, CardError, "cannot be named 'small'"),
        ({"regions": "native"}, {"templates": ["a {}", "the {}"]}, CardError, "one text for each class"),
        (
            {"evaluator": "hotcoco", "groups": {"warm": ["red"]}},
            {"metrics": ["ap_warm"]},
            CardError,
            "does not support groups",
        ),
        ({}, {"multi_label": True}, CardError, "have no `multi_label`: remove it"),
    ],
)
def test_cards_that_can_never_work(
    protocol: dict[str, Any], fields: dict[str, Any], error: type[Exception], message: str, folder: Path
) -> None:
    with pytest.raises(error, match=message):
        PLUGIN.check(card_of(folder, protocol, **fields), TaskOptions())


def test_groups_must_name_classes(folder: Path) -> None:
    with pytest.raises(LabelError, match="group 'warm' names unknown classes: pink"):
        ask(card_of(folder, {"groups": {"warm": ["red", "pink"]}}, metrics=["ap50", "ap50_warm"]))
    card = card_of(folder, {"groups": {"warm": ["red"]}}, metrics=["ap50", "ap50_warm"])
    outcome = ask(card).answer(FeatureEngine(colourist(), EngineSettings()))
    assert value(outcome, "ap50_warm") == pytest.approx(1.0)


@pytest.mark.parametrize("evaluator", ["faster-coco-eval", "hotcoco"])
def test_another_evaluator_gives_the_same_numbers_without_intervals(evaluator: str, folder: Path) -> None:
    pytest.importorskip(evaluator.replace("-", "_"), reason="pip install 'vlmbench[detection]'")
    ours = answer(folder, model=toy())
    theirs, said = told(lambda: answer(folder, {"evaluator": evaluator}, toy()))
    assert [value(theirs, name) for name in COCO_MEASURES] == pytest.approx(
        [value(ours, name) for name in COCO_MEASURES]
    )
    assert theirs.metrics["ap"].ci95 is None and not theirs.per_class
    assert [remark.code for remark in said] == ["no-intervals"]


def test_lvis_rules_need_lvis_lists(folder: Path) -> None:
    with pytest.raises(DataError, match="neg_category_ids"):
        ask(card_of(folder, {"evaluator": "lvis"}, metrics=["ap", "ap_rare"]))


def federated(folder: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    for image in content["images"]:
        image |= {"neg_category_ids": [10] if image["id"] == 2 else [], "not_exhaustive_category_ids": []}
    for category, letter in zip(content["categories"], "rcf", strict=True):
        category["frequency"] = letter
    (folder / "instances.json").write_text(json.dumps(content))


def test_lvis_rules_on_lvis_lists(folder: Path) -> None:
    federated(folder)
    metrics = ["ap", "ap_rare", "ap_common", "ap_frequent", "ar300"]
    outcome = answer(folder, {"evaluator": "lvis"}, toy(), metrics=metrics)
    assert [value(outcome, name) is not None for name in metrics] == [True] * 5
    assert outcome.predictions["absent"].to_pylist() == [[], [0], [], []]
    letters = [["rcf"[label] for label in own] for own in outcome.predictions["truth_labels"].to_pylist()]
    assert outcome.predictions["truth_frequencies"].to_pylist() == letters
    record = make_record()
    settings = {"plugin": "detection", "protocol": {"classes": 3, "evaluator": "lvis"}}
    task = record.task.model_copy(update=settings)
    record = record.model_copy(update={"task": task, "metrics": outcome.metrics, "per_class": outcome.per_class})
    for name in metrics:
        again = measured(Answers(record, outcome.predictions, "here"), name).value
        assert again == pytest.approx(value(outcome, name), abs=1e-9), f"{name} from the table alone"
    assert [remark.code for remark in told(lambda: answer(folder))[1]] == ["partial-annotation"]
    settled = ask(card_of(folder, {"evaluator": "lvis"}, metrics=metrics)).protocol(toy())
    assert settled["annotations_sha256"]


def test_objects_that_are_no_region_are_counted(folder: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    content["annotations"][0]["bbox"] = [500, 500, 10, 10]
    content["annotations"][1]["bbox"] = [5, 5, 0, 10]
    content["annotations"][2]["iscrowd"] = 1
    (folder / "instances.json").write_text(json.dumps(content))
    outcome, said = told(lambda: answer(folder, metrics=EVERY))
    assert [(remark.code, remark.count) for remark in said] == [("boxes-outside", 1), ("empty-regions", 2)]
    assert outcome.metrics["mean_class_accuracy_top1"].n == 3, "a crowd is no object to name"
    expected = pycocotools_on(folder, coco_results(outcome.predictions))
    assert [value(outcome, name) for name in COCO_MEASURES][:2] == pytest.approx(expected[:2], abs=1e-9)


def test_an_image_that_is_missing(folder: Path) -> None:
    (folder / "images" / "7.png").unlink()
    with pytest.raises(DataError, match=r"7\.png"):
        answer(folder)
    outcome = answer(folder, skip_bad=True)
    assert outcome.predictions["image_id"].to_pylist() == [1, 2, 3] and value(outcome, "ap") == pytest.approx(1.0)


def test_answers_are_drawn(folder: Path) -> None:
    outcome = answer(folder, options=TaskOptions(visuals=2))
    visuals = outcome.visuals()
    assert list(visuals) == ["000-1.png", "001-2.png"]
    assert all(PIL.Image.open(io.BytesIO(content)).width > 40 for content in visuals.values())
    assert visuals["000-1.png"] != visuals["001-2.png"]


def test_batches_change_nothing(folder: Path) -> None:
    question = ask(card_of(folder, metrics=EVERY))
    tables = [
        question.answer(FeatureEngine(colourist(), EngineSettings(batch_size=size))).predictions for size in (1, 3, 64)
    ]
    assert tables[0] == tables[1] == tables[2]


def test_data_without_a_card(folder: Path) -> None:
    card = make_task("coco:x", "detection", SourceSpec(kind="coco", location=str(folder)))
    assert card.main_metric == "ap" and set(card.metrics) == set(COCO_MEASURES)


def test_the_example_of_cutting_out_runs() -> None:
    failed, tried = doctest.testmod(readouts)
    assert tried > 0 and failed == 0


def test_few_pictures_are_held_however_few_regions_they_have(folder: Path) -> None:
    empty = Picture(0, PIL.Image.new("RGB", (1, 1)), "", Regions(torch.empty(0, 4)))
    full = Picture(0, PIL.Image.new("RGB", (1, 1)), "", Regions(torch.zeros(10, 4)))
    assert [len(group) for group in grouped([empty] * (2 * HELD + 1), 8)] == [HELD, HELD, 1]
    assert [len(group) for group in grouped([full, empty, full, full], 15)] == [3, 1]


def one_class(folder: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    content["categories"] = content["categories"][:1]
    for entry in content["annotations"]:
        entry["category_id"] = 10
    (folder / "instances.json").write_text(json.dumps(content))


@pytest.mark.parametrize("protocol", [{}, {"regions": "ground-truth"}, {"background": ["wall"]}])
def test_one_class_in_given_boxes_asks_nothing(folder: Path, protocol: dict[str, Any]) -> None:
    one_class(folder)
    with pytest.raises(LabelError, match="there is only one class for the data's own boxes"):
        ask(card_of(folder, protocol)).protocol(colourist())


def test_one_class_of_proposals_needs_other_words(tmp_path: Path, folder: Path) -> None:
    one_class(folder)
    with pytest.raises(LabelError, match="in `background`"):
        proposed(tmp_path, folder)
    assert proposed(tmp_path, folder, background=["a wall"]).metrics["ap"].value is not None


def test_one_class_is_something_to_find_for_a_detector(folder: Path) -> None:
    one_class(folder)
    assert answer(folder, {"regions": "native"}, finder(), templates=["{}"]).metrics["ap"].value is not None


def test_given_boxes_are_said_where_nothing_asks_for_them(folder: Path) -> None:
    assert "given-boxes" in [remark.code for remark in remarked(lambda: answer(folder))[1]]
    for protocol in ({"regions": "ground-truth"}, {"regions": "native"}):
        model = finder() if protocol["regions"] == "native" else colourist()
        said = remarked(lambda: answer(folder, protocol, model, templates=["{}"]))[1]  # noqa: B023
        assert "given-boxes" not in [remark.code for remark in said]


def test_metrics_without_objects_say_so_themselves(folder: Path) -> None:
    outcome, said = remarked(lambda: answer(folder, metrics=["ap", "ap_small", "ap_large"]))
    assert outcome.metrics["ap_large"].value is None and outcome.metrics["ap_small"].value is not None
    assert outcome.metrics["ap_large"].reason == "the data has no large object to find"
    assert "no-objects" not in [remark.code for remark in said]


def test_nothing_to_find_is_refused(folder: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    for entry in content["annotations"]:
        entry["iscrowd"] = 1
    (folder / "instances.json").write_text(json.dumps(content))
    with pytest.raises(
        LabelError, match="nothing to find in 4 images: all 6 boxes are marked as a crowd or as difficult"
    ):
        ask(card_of(folder))


def test_the_datas_own_classes_without_objects_are_said_and_a_cards_are_not(folder: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    content["annotations"] = [entry for entry in content["annotations"] if entry["category_id"] != 12]
    (folder / "instances.json").write_text(json.dumps(content))
    (said,) = remarked(lambda: ask(card_of(folder)))[1]
    assert (said.code, said.count, said.examples) == ("no-objects", 1, ("blue",))
    assert not remarked(lambda: ask(card_of(folder, classes=["red", "green", "blue"])))[1]


def test_chance_is_that_of_shuffled_classes_and_unknown_for_others_boxes(tmp_path: Path, folder: Path) -> None:
    outcome = answer(folder, metrics=EVERY)
    chance = outcome.metrics["ap"].chance
    assert chance is not None and 0 < chance < 1 and outcome.metrics["ap"].value == pytest.approx(1.0)
    assert outcome.metrics["ap_large"].chance is None
    assert answer(folder, metrics=EVERY).metrics["ap"].chance == chance, "seeded"
    assert proposed(tmp_path, folder).metrics["ap"].chance is None
    assert answer(folder, {"regions": "native"}, finder(), templates=["{}"]).metrics["ap"].chance is None
