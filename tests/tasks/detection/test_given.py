"""Answers of detectors that were made elsewhere: the same numbers as those of the run, of pycocotools, and remarks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import yaml
from command_line import command
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from said import remarked
from tasks.detection.asked import ask, card_of, pycocotools_on
from tasks.detection.models import finder
from toy_adapter import toy

from vlmbench.answers.paired_metric import measured
from vlmbench.answers.tables import Answers
from vlmbench.cards import ModelCard, SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.contents import ContentHashes
from vlmbench.data.open import open_dataset
from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.saved_answers import SavedAnswers
from vlmbench.metrics.detection.measures import COCO_MEASURES, LVIS_MEASURES
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.predictions.adapter import load
from vlmbench.remarks.base import Remark
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.detection.plugin import PLUGIN, DetectionQuestion
from vlmbench.tasks.given.base import answered
from vlmbench.testing.toy_records import make_record

EVERY = list(COCO_MEASURES)
NATIVE = {"regions": "native"}
ONE = {"image_id": 3, "category_id": 10, "bbox": [2, 4, 20, 12], "score": 0.5}


def system(folder: Path, **options: Any) -> Model:
    return load(
        ModelCard(name="their detector", adapter="predictions", spec=str(folder), options=options), LoadOptions()
    )


def given(question: DetectionQuestion, model: Model) -> Outcome:
    return answered(question, FeatureEngine(model, EngineSettings()), ContentHashes())


def saved(question: DetectionQuestion, model: Model, folder: Path) -> Outcome:
    engine = FeatureEngine(model, EngineSettings(batch_size=2))
    engine.saving = SavedAnswers(folder, "t")
    return question.answer(engine)


@pytest.fixture
def question(folder: Path) -> DetectionQuestion:
    return ask(card_of(folder, NATIVE, metrics=EVERY, templates=["{}"]))


@pytest.fixture
def judge(question: DetectionQuestion, tmp_path: Path) -> Callable[..., tuple[Outcome, list[Remark]]]:
    """The outcome of a results file for the coloured pictures, and what is said."""

    def outcome(entries: Sequence[Any], **options: Any) -> tuple[Outcome, list[Remark]]:
        answers = tmp_path / "answers"
        answers.mkdir(exist_ok=True)
        (answers / "t.json").write_text(json.dumps(entries))
        return remarked(lambda: given(question, system(answers, **options)))

    return outcome


def same(one: Outcome, other: Outcome) -> None:
    assert one.metrics == other.metrics and one.per_class == other.per_class
    assert one.predictions.equals(other.predictions) and dict(one.contents) == dict(other.contents)


def spread(folder: Path, count: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Detections near the objects and elsewhere, with two decimals, as detectors print them."""
    random = np.random.default_rng(seed)
    content = json.loads((folder / "instances.json").read_text())
    objects, classes = content["annotations"], [entry["id"] for entry in content["categories"]]
    entries = []
    for _ in range(count):
        near = objects[random.integers(len(objects))]
        box = np.abs(np.array(near["bbox"]) + random.normal(0, 1.5, 4)).round(2).tolist()
        category = near["category_id"] if random.random() < 0.7 else int(random.choice(classes))
        score = round(float(random.random()), 3)
        entries.append({"image_id": near["image_id"], "category_id": category, "bbox": box, "score": score})
    return entries


def test_saved_answers_of_a_detector_give_the_same_numbers_and_boxes(
    question: DetectionQuestion, tmp_path: Path
) -> None:
    run = saved(question, finder(), tmp_path)
    entries = json.loads((tmp_path / "t.json").read_text())
    assert {entry["category_id"] for entry in entries} == {10, 11, 12} and entries[0].keys() == ONE.keys()
    outcome, said = remarked(lambda: given(question, system(tmp_path)))
    same(outcome, run)
    assert not said
    model = system(tmp_path)
    assert question.protocol(model) == question.protocol(finder())
    assert question.settings_in_use(model) == question.settings_in_use(finder())


def test_saved_answers_for_the_datas_own_boxes_give_the_same_accuracies_too(folder: Path, tmp_path: Path) -> None:
    own = ask(card_of(folder, metrics=[*EVERY, "mean_class_accuracy_top1", "mean_class_accuracy_top5"]))
    run = saved(own, toy(), tmp_path)
    assert [path.name for path in tmp_path.glob("t.*")] == ["t.parquet"]
    outcome = given(own, system(tmp_path))
    same(outcome, run)
    assert outcome.metrics["mean_class_accuracy_top1"].value is not None
    assert own.protocol(system(tmp_path)) == own.protocol(toy())


def test_ranks_of_other_boxes_are_refused(folder: Path, tmp_path: Path) -> None:
    own = ask(card_of(folder, metrics=["mean_class_accuracy_top1"]))
    saved(own, toy(), tmp_path)
    table = pq.read_table(tmp_path / "t.parquet")
    for column, values, message in (
        ("region_labels", [[2], [], [0, 2], [0, 0, 1]], "do not belong to the boxes"),
        ("region_labels", [[1], [], [0, 2, 1], [0, 0, 1]], "do not belong to the boxes"),
        ("region_ranks", [[1], [], [1], [1, 1, 1]], "do not belong to the boxes"),
        ("region_ranks", [[4], [], [1, 1], [1, 1, 1]], "not between 1 and 3"),
    ):
        changed = table.set_column(table.column_names.index(column), column, [values])
        pq.write_table(changed, tmp_path / "t.parquet")
        with pytest.raises(ModelError, match=message):
            given(own, system(tmp_path))


def test_mmdetections_masks_beside_boxes_do_not_matter_for_boxes(folder: Path, tmp_path: Path) -> None:
    own = ask(card_of(folder, NATIVE, metrics=["ap"]))
    (tmp_path / "t.segm.json").write_text(json.dumps([{**ONE, "bbox": [0, 0, 1, 1]}]))
    (tmp_path / "t.bbox.json").write_text(json.dumps([ONE]))
    assert given(own, system(tmp_path)).predictions["boxes"].to_pylist()[2] == [ONE["bbox"]]
    (tmp_path / "t.json").write_text(json.dumps([ONE]))
    with pytest.raises(ModelError, match="two sets of answers"):
        given(own, system(tmp_path))
    (tmp_path / "t.json").unlink()
    (tmp_path / "t.bbox.json").rename(tmp_path / "t.pkl")
    (tmp_path / "t.segm.json").unlink()
    with pytest.raises(ModelError, match="pickle"):
        given(own, system(tmp_path))


def test_saved_answers_for_proposals_are_scored_as_own_boxes(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "proposals.json"
    file.write_text(json.dumps([{"image_id": 3, "bbox": [2, 4, 20, 12], "score": 0.5}]))
    asked = ask(card_of(folder, {"regions": "proposals", "proposals": str(file)}, metrics=EVERY))
    run = saved(asked, toy(), tmp_path / "answers")
    with pytest.raises(UnsupportedError, match=r"does not say that its boxes are these.*--set regions=native"):
        given(asked, system(tmp_path / "answers"))
    native = ask(card_of(folder, NATIVE, metrics=EVERY, templates=["{}"]))
    outcome = given(native, system(tmp_path / "answers"))
    assert outcome.metrics == run.metrics and outcome.predictions.equals(run.predictions)


def test_found_boxes_do_not_answer_a_question_about_given_boxes(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "t.json").write_text(json.dumps([ONE]))
    model = system(tmp_path / "answers")
    with pytest.raises(UnsupportedError, match="the data's own boxes to classify"):
        given(ask(card_of(folder, {"regions": "ground-truth"})), model)
    with pytest.raises(UnsupportedError, match="a card with `regions: native` and without the metrics"):
        given(ask(card_of(folder, metrics=["mean_class_accuracy_top1"])), model)
    outcome, said = remarked(lambda: given(ask(card_of(folder, metrics=["ap"])), model))
    assert outcome.metrics["ap"].value is not None and "own-detector" in {remark.code for remark in said}


@pytest.mark.parametrize("seed", range(5))
def test_pycocotools_gives_the_same_numbers_for_numbers_of_any_precision(
    folder: Path, judge: Callable[..., tuple[Outcome, list[Remark]]], seed: int
) -> None:
    entries = spread(folder, seed=seed)
    outcome, _ = judge(entries)
    expected = pycocotools_on(folder, entries)
    got = [outcome.metrics[name].value for name in COCO_MEASURES]
    assert [-1.0 if number is None else number for number in got] == pytest.approx(expected, abs=1e-12)
    assert 0.05 < expected[0] < 0.95
    table = outcome.predictions
    assert table["scores"].type.value_type == "double"
    assert sorted(value for own in table["scores"].to_pylist() for value in own) == sorted(
        entry["score"] for entry in entries
    )
    record = make_record()
    task = record.task.model_copy(update={"plugin": "detection", "protocol": {"classes": 3}})
    record = record.model_copy(update={"task": task, "per_class": outcome.per_class})
    assert measured(Answers(record, table, "here"), "ap").value == outcome.metrics["ap"].value


def test_equal_scores_keep_the_order_of_the_file(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    entries = [{**ONE, "bbox": [place, 4, 20, 12]} for place in (9, 3, 7, 1)]
    outcome, _ = judge(entries)
    assert [box[0] for box in outcome.predictions["boxes"].to_pylist()[2]] == [9, 3, 7, 1]


def test_the_protocol_keeps_the_best_and_a_remark_counts_the_others(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps([{**ONE, "score": score} for score in (0.9, 0.8, 0.7, 0.1)]))
    short = ask(card_of(folder, {**NATIVE, "max_detections": 2, "score_threshold": 0.5}, metrics=["ap"]))
    outcome, said = remarked(lambda: given(short, system(tmp_path)))
    assert outcome.predictions["scores"].to_pylist()[2] == pytest.approx([0.9, 0.8])
    (remark,) = [remark for remark in said if remark.code == "detections-left-out"]
    assert "1 has a score below 0.5 and 1 is beyond the 2 best of an image" in remark.text and remark.count == 2


def test_rows_that_the_data_does_not_have_and_repeated_rows_are_remarks(
    judge: Callable[..., tuple[Outcome, list[Remark]]],
) -> None:
    entries = [ONE, ONE, {**ONE, "image_id": 99}, {**ONE, "image_id": 98}, {**ONE, "category_id": 77}]
    outcome, said = judge(entries)
    assert [len(own) for own in outcome.predictions["scores"].to_pylist()] == [0, 0, 2, 0]
    told = {remark.code: remark for remark in said}
    assert set(told) == {"answers-unmatched", "other-categories", "repeated-detections", "unanswered-images"}
    assert told["answers-unmatched"].examples == ("98", "99") and told["answers-unmatched"].count == 2
    assert told["other-categories"].examples == ("77",) and told["repeated-detections"].count == 1
    assert "3 of 4 images have no detection" in told["unanswered-images"].text


def test_images_without_a_detection_are_ordinary(judge: Callable[..., tuple[Outcome, list[Remark]]]) -> None:
    _, said = judge([{**ONE, "image_id": image} for image in (1, 2, 3)])
    assert not said


def test_a_subset_leaves_out_the_other_images_without_a_remark(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text(json.dumps([{**ONE, "image_id": image} for image in (1, 2, 3, 7)]))
    two = ask(card_of(folder, NATIVE, metrics=["ap"]), TaskOptions(limit=2))
    outcome, said = remarked(lambda: given(two, system(tmp_path)))
    assert outcome.predictions.num_rows == 2 and not said


def corners(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**entry, "bbox": [x, y, x + w, y + h]} for entry in entries for x, y, w, h in [entry["bbox"]]]


def inside(folder: Path, count: int = 40) -> list[dict[str, Any]]:
    random, entries = np.random.default_rng(0), []
    for entry in spread(folder, count):
        x, y = random.integers(0, 30), random.integers(0, 24)
        entries.append(
            {**entry, "bbox": [int(x), int(y), int(random.integers(1, 40 - x)), int(random.integers(1, 32 - y))]}
        )
    return entries


def with_sizes(folder: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    for image in content["images"]:
        image |= {"width": 40, "height": 32}
    (folder / "instances.json").write_text(json.dumps(content))


def test_corners_in_place_of_sizes_are_refused_if_sizes_are_known_else_a_remark(folder: Path, tmp_path: Path) -> None:
    entries = inside(folder)
    (tmp_path / "t.json").write_text(json.dumps(corners(entries)))
    unknown = ask(card_of(folder, NATIVE, metrics=["ap"]))
    _, said = remarked(lambda: given(unknown, system(tmp_path)))
    assert "detections-outside" in {remark.code for remark in said}
    with_sizes(folder)
    with pytest.raises(ModelError, match="fit as left, top, right and bottom"):
        given(ask(card_of(folder, NATIVE, metrics=["ap"])), system(tmp_path))
    (tmp_path / "t.json").write_text(json.dumps(entries))
    _, said = remarked(lambda: given(ask(card_of(folder, NATIVE, metrics=["ap"])), system(tmp_path)))
    assert "detections-outside" not in {remark.code for remark in said}


def test_boxes_that_leave_their_images_are_kept_as_pycocotools_keeps_them(folder: Path, tmp_path: Path) -> None:
    with_sizes(folder)
    entries = [{**entry, "bbox": [-9.5, -7.25, 80.0, 70.0]} for entry in spread(folder, 12)] + [ONE]
    (tmp_path / "t.json").write_text(json.dumps(entries))
    asked = ask(card_of(folder, NATIVE, metrics=EVERY))
    outcome, said = remarked(lambda: given(asked, system(tmp_path)))
    (remark,) = [remark for remark in said if remark.code == "detections-outside"]
    assert remark.count == 12 and "12 of the 13 boxes" in remark.text
    assert outcome.metrics["ap"].value == pytest.approx(pycocotools_on(folder, entries)[0], abs=1e-12)


def shares(folder: Path) -> list[dict[str, Any]]:
    return [{**entry, "bbox": [side / 80 for side in entry["bbox"]]} for entry in inside(folder)]


def test_shares_of_the_image_are_refused(folder: Path, tmp_path: Path) -> None:
    with_sizes(folder)
    (tmp_path / "t.json").write_text(json.dumps(shares(folder)))
    with pytest.raises(ModelError, match="between 0 and 1"):
        given(ask(card_of(folder, NATIVE, metrics=["ap"])), system(tmp_path))


def renumbered(folder: Path, ids: Sequence[int]) -> None:
    content = json.loads((folder / "instances.json").read_text())
    new = dict(zip((10, 11, 12), ids, strict=True))
    for entry in content["categories"]:
        entry["id"] = new[entry["id"]]
    for entry in content["annotations"]:
        entry["category_id"] = new[entry["category_id"]]
    (folder / "instances.json").write_text(json.dumps(content))


def test_shifted_ids_that_all_exist_are_refused_because_of_the_objects(folder: Path, tmp_path: Path) -> None:
    """The ids 1 to 3 are the data's and fit, but the file has 1 and 2 for the second and third class."""
    content = json.loads((folder / "instances.json").read_text())
    right = [
        {"image_id": entry["image_id"], "category_id": entry["category_id"], "bbox": entry["bbox"], "score": 0.9}
        for entry in content["annotations"]
        if entry["category_id"] != 10
    ]
    many = [{**entry, "category_id": entry["category_id"] - 10} for entry in right]
    content["annotations"] = [
        {**entry, "id": 10 * entry["id"] + copy, "bbox": [x + 3 * copy, *rest]}
        for entry in content["annotations"]
        if entry["category_id"] != 10
        for copy in range(4)
        for x, *rest in [entry["bbox"]]
    ]
    (folder / "instances.json").write_text(json.dumps(content))
    renumbered(folder, (1, 2, 3))
    found = [
        {**entry, "bbox": [x + 3 * copy, *rest]} for entry in many for copy in range(4) for x, *rest in [entry["bbox"]]
    ]
    (tmp_path / "t.json").write_text(json.dumps(found))
    asked = ask(card_of(folder, NATIVE, metrics=["ap"]))
    with pytest.raises(ModelError, match=r"of 12 objects.*0 have its class, but 12 would.*\(from-0\)"):
        given(asked, system(tmp_path))
    assert given(asked, system(tmp_path, category_ids="from-0")).metrics["ap"].value == pytest.approx(1)
    assert given(asked, system(tmp_path, category_ids="data")).metrics["ap"].value == pytest.approx(0)


def test_ids_that_count_classes_are_refused_unless_the_card_says_so(
    folder: Path, judge: Callable[..., tuple[Outcome, list[Remark]]]
) -> None:
    right = spread(folder)
    counted = [{**entry, "category_id": entry["category_id"] - 10} for entry in right]
    with pytest.raises(ModelError, match="from-0") as caught:
        judge(counted)
    assert "card.yaml" in (caught.value.hint or "")
    assert judge(counted, category_ids="from-0")[0].metrics == judge(right)[0].metrics
    named = [{**entry, "category_id": ("red", "green", "blue")[entry["category_id"] - 10]} for entry in right]
    assert judge(named)[0].metrics == judge(right)[0].metrics
    with pytest.raises(ModelError, match="category_ids"):
        judge(right, category_ids="from-2")


def test_a_folder_of_labels_is_answered_by_names_and_saved_by_names(tmp_path: Path) -> None:
    root = tmp_path / "voc"
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    box = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
    for number, name in enumerate(("b", "a")):
        PIL.Image.new("RGB", (40, 32)).save(root / "images" / f"{name}.png")
        objects = "".join(
            f"<object><name>{kind}</name><difficult>0</difficult>{box.format(2, 3, 20 + number, 20)}</object>"
            for kind in ("dog", "cat")
        )
        (root / "labels" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.png</filename><size><width>40</width><height>32</height></size>"
            f"{objects}</annotation>"
        )
    asked = ask(
        card_of(root, NATIVE, metrics=["ap"], templates=["{}"]).model_copy(
            update={"sources": [SourceSpec(kind="boxes", location=str(root))]}
        )
    )
    run = saved(asked, finder(), tmp_path / "answers")
    entries = json.loads((tmp_path / "answers" / "t.json").read_text())
    assert {entry["image_id"] for entry in entries} == {"images/a.png", "images/b.png"}
    assert {entry["category_id"] for entry in entries} == {"cat", "dog"}
    same(given(asked, system(tmp_path / "answers")), run)


def test_lvis_rules_hold_for_a_results_file(folder: Path, tmp_path: Path) -> None:
    content = json.loads((folder / "instances.json").read_text())
    for image, (absent, partial) in zip(content["images"], [([11], []), ([], [12]), ([10], []), ([], [])], strict=True):
        image |= {"neg_category_ids": absent, "not_exhaustive_category_ids": partial, "width": 40, "height": 32}
    for entry, letter in zip(content["categories"], "rcf", strict=True):
        entry["frequency"] = letter
    (folder / "instances.json").write_text(json.dumps(content))
    asked = ask(card_of(folder, {**NATIVE, "evaluator": "lvis"}, metrics=list(LVIS_MEASURES), templates=["{}"]))
    run = saved(asked, finder(), tmp_path)
    same(given(asked, system(tmp_path)), run)
    (tmp_path / "t.json").write_text(json.dumps(spread(folder)))
    federated = given(asked, system(tmp_path)).metrics["ap"].value
    plain = given(ask(card_of(folder, NATIVE, metrics=["ap"])), system(tmp_path)).metrics["ap"].value
    assert federated is not None and plain is not None and federated > plain, "other boxes than in COCO are ignored"


def test_a_run_of_saved_answers_compares_as_unchanged(folder: Path, tmp_path: Path) -> None:
    card = {
        "name": "colours",
        "plugin": "detection",
        "sources": [SourceSpec(kind="coco", location=str(folder)).model_dump()],
        "protocol": NATIVE,
        "templates": ["{}"],
        "metrics": ["ap"],
    }
    (tmp_path / "colours.yaml").write_text(yaml.safe_dump(card))
    task, answers = tmp_path / "colours.yaml", tmp_path / "answers"
    run = ("run", "-t", task, "--device", "cpu", "--save-visuals", 1)
    command(*run, "-m", "lone:x", "--results", tmp_path / "a", "--save-answers", answers, code=0)
    command(*run, "-m", f"predictions:{answers}", "--results", tmp_path / "b", code=0)
    assert "unchanged" in command("compare", tmp_path / "a", tmp_path / "b", code=0).stdout
    tables = [next(root.rglob("*.parquet")) for root in (tmp_path / "a", tmp_path / "b")]
    one, other = (pq.read_table(table).replace_schema_metadata(None) for table in tables)
    assert one.equals(other)
    pictures = [next(root.rglob("*.png")) for root in (tmp_path / "a", tmp_path / "b")]
    assert all(picture.stat().st_size for picture in pictures)


def test_real_annotations_and_pycocotools(real_data: Path, tmp_path: Path) -> None:
    """COCO's category ids have gaps, and its image ids are not places."""
    root = tmp_path / "coco"
    shutil.copytree(real_data / "coco", root)
    annotations = root / "annotations" / "instances_val2017.json"
    content = json.loads(annotations.read_text())
    random, entries = np.random.default_rng(3), []
    for entry in content["annotations"]:
        for _ in range(3):
            box = np.array(entry["bbox"]) + random.normal(0, 0.08, 4) * np.tile(entry["bbox"][2:], 2)
            other = content["categories"][random.integers(len(content["categories"]))]["id"]
            entries.append(
                {
                    "image_id": entry["image_id"],
                    "category_id": entry["category_id"] if random.random() < 0.8 else other,
                    "bbox": [round(float(side), 2) for side in (*box[:2], *np.abs(box[2:]))],
                    "score": float(np.float32(random.random())),
                }
            )
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "t.json").write_text(json.dumps(entries))
    card = card_of(root, {**NATIVE, "max_detections": 1000}, metrics=EVERY)
    outcome = given(ask(card), system(tmp_path / "answers"))
    ground = COCO(str(annotations))
    run = COCOeval(ground, ground.loadRes(entries), "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    got = [outcome.metrics[name].value for name in COCO_MEASURES]
    assert [-1.0 if number is None else number for number in got] == pytest.approx(list(run.stats), abs=1e-12)
    counted = {entry["id"]: place for place, entry in enumerate(content["categories"])}
    wrong = [{**entry, "category_id": counted[entry["category_id"]]} for entry in entries]
    (tmp_path / "answers" / "t.json").write_text(json.dumps(wrong))
    with pytest.raises(ModelError, match=r"counted from 0 \(from-0\)"):
        given(ask(card), system(tmp_path / "answers"))
    few = [entry for entry in wrong if entry["category_id"] in {3, 17, 56}]
    (tmp_path / "answers" / "t.json").write_text(json.dumps(few))
    with pytest.raises(ModelError, match="from-0"):
        given(ask(card), system(tmp_path / "answers"))


def test_boxes_are_scored_without_images(folder: Path, tmp_path: Path) -> None:
    with_sizes(folder)
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "t.json").write_text(json.dumps(spread(folder)))
    card = card_of(folder, NATIVE, metrics=EVERY)
    there = given(ask(card), system(tmp_path / "answers"))
    shutil.rmtree(folder / "images")
    dataset = open_dataset(card.sources, SourceContext(target="boxes", images_optional=True))
    asked = PLUGIN.ask(card, {"test": dataset}, TaskOptions())
    outcome, said = remarked(lambda: given(asked, system(tmp_path / "answers")))
    assert outcome.metrics == there.metrics and outcome.per_class == there.per_class
    assert outcome.images_absent and "images-absent" in {remark.code for remark in said}
    assert set(outcome.contents.values()).isdisjoint(there.contents.values())
