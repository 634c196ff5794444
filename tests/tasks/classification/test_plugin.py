"""Zero-shot classification: the head against open_clip's and CLIP_benchmark's formulas, the answers by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import balanced_accuracy_score
from toy_adapter import toy

from vlmbench.cards import SourceSpec, TaskCard
from vlmbench.data.base import ImageDataset, Sample, SourceContext, SourceInfo
from vlmbench.data.open import open_dataset
from vlmbench.errors import CardError, DataError, LabelError, UnknownNameError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.classification.measures import MEASURES
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.tasks.classification.scores import Scored, prediction_table, score
from vlmbench.tasks.contents import Contents
from vlmbench.testing.toy_models import ToyModel
from vlmbench.transfer.base import LinearClassifier
from vlmbench.transfer.methods.zero_shot import ensemble

CLASSES = {"red cat": 4, "dog": 3, "bird": 5, "fish": 4, "horse": 3, "cow": 2}


@pytest.fixture
def folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder(CLASSES)


def card_of(folder: Path, **fields: object) -> TaskCard:
    return TaskCard(name="t", sources=[SourceSpec(kind="imagefolder", location=str(folder))], **fields)  # type: ignore[arg-type]


def dataset_of(card: TaskCard) -> ImageDataset:
    return open_dataset(card.sources, SourceContext(class_names=tuple(card.classes) if card.classes else None))


def hashed(name: str) -> str:
    return sha256(name.encode()).hexdigest()


def scored_of(targets: np.ndarray, scores: np.ndarray | None = None) -> Scored:
    n, classes = targets.shape
    return Scored(
        indices=np.arange(n),
        contents=Contents(np.arange(n), np.zeros((n, 32), dtype=np.uint8)),
        labels=None,
        targets=targets,
        top=np.zeros((n, 1), dtype=np.int64),
        top_scores=np.zeros((n, 1), dtype=np.float32),
        confidence=np.zeros(n, dtype=np.float32),
        scores=scores,
        num_classes=classes,
        logit_scale=20.0,
    )


def answer(card: TaskCard, options: TaskOptions | None = None, model: ToyModel | None = None):  # type: ignore[no-untyped-def]
    engine = FeatureEngine(model or toy(), EngineSettings(batch_size=4))
    return PLUGIN.ask(card, {"test": dataset_of(card)}, options or TaskOptions()).answer(engine)


class Described:
    """A dataset of nothing but what it says of itself."""

    info = SourceInfo("none", "nowhere")

    def __init__(
        self,
        classes: tuple[str, ...] | None,
        templates: tuple[str, ...] | None,
        targets: Sequence[int | tuple[int, ...]] = (),
    ) -> None:
        self.classes, self.templates = classes, templates
        self.samples = [Sample(f"s{i}", target) for i, target in enumerate(targets)]

    def read(self, index: int) -> bytes:
        return b""

    def state(self) -> str:
        return ""


def test_predictions_and_metrics_against_a_plain_computation(folder: Path) -> None:
    outcome = answer(
        card_of(
            folder,
            templates=["a photo of a {}.", "{c}"],
            metrics=["acc1", "acc5", "mean_per_class_recall", "ece"],
        )
    )
    dataset, model = dataset_of(card_of(folder)), toy()
    import io

    import PIL.Image

    names = dataset.classes
    assert names == tuple(sorted(CLASSES))
    pixels = torch.stack(
        [model.preprocess(PIL.Image.open(io.BytesIO(dataset.read(i)))) for i in range(len(dataset.samples))]
    )
    prompts = [[f"a photo of a {name}.", name] for name in names]
    head = torch.stack([F.normalize(model.encode_text(pair).mean(dim=0), dim=0) for pair in prompts])
    logits = 100.0 * model.encode_image(pixels) @ head.T
    labels = np.array([sample.target for sample in dataset.samples])
    rows = outcome.predictions.to_pydict()
    assert rows["sample"] == [sample.id for sample in dataset.samples]
    assert rows["label"] == labels.tolist()
    np.testing.assert_array_equal(rows["top"], logits.topk(5).indices)
    np.testing.assert_allclose(np.array(rows["top_scores"]) * 100, logits.topk(5).values, atol=1e-4)
    probabilities = (logits / 100 * model.logit_scale).softmax(dim=1)
    np.testing.assert_allclose(rows["confidence"], probabilities.amax(dim=1), atol=1e-6)
    predicted = logits.argmax(dim=1).numpy()
    assert outcome.metrics["acc1"].value == pytest.approx((predicted == labels).mean())
    assert outcome.metrics["mean_per_class_recall"].value == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert outcome.metrics["acc1"].chance == pytest.approx(1 / 6)
    assert outcome.metrics["acc5"].chance == pytest.approx(5 / 6)
    assert not outcome.metrics["ece"].higher_is_better
    for row, name in zip(outcome.per_class, names, strict=True):
        mask = labels == names.index(name)
        assert (row.name, row.n) == (name, mask.sum())
        assert row.values["recall"] == pytest.approx((predicted[mask] == names.index(name)).mean())


def test_answers_are_cosines_with_the_ensemble_to_the_bit(folder: Path) -> None:
    card = card_of(folder, templates=["a photo of a {}.", "{c}"])
    question, engine = (
        PLUGIN.ask(card, {"test": dataset_of(card)}, TaskOptions()),
        FeatureEngine(toy(), EngineSettings(batch_size=4)),
    )
    rows = question.answer(engine).predictions.to_pydict()
    head = ensemble(engine.texts(question.prompts.prompts), len(CLASSES))
    for batch in engine.images(question.dataset, question.indices):
        cosine = batch.features @ head.T
        values, classes = cosine.topk(5, dim=1)
        confidence = (20.0 * cosine).softmax(dim=1).amax(dim=1)
        for place, index in enumerate(batch.indices):
            assert rows["top"][index] == classes[place].tolist()
            assert rows["top_scores"][index] == values[place].tolist()
            assert rows["confidence"][index] == confidence[place].item()


def test_all_scores_are_kept_only_where_a_metric_needs_them(folder: Path) -> None:
    assert "scores" not in answer(card_of(folder)).predictions.column_names
    kept = answer(card_of(folder, metrics=["acc1", "roc_auc"]))
    assert len(kept.predictions["scores"][0]) == len(CLASSES)
    assert kept.metrics["roc_auc"].chance == 0.5


def test_acc5_says_nothing_on_few_classes(make_folder: Callable[..., Path]) -> None:
    outcome = answer(card_of(make_folder({"a": 2, "b": 2})))
    assert "acc5" not in outcome.metrics and "acc1" in outcome.metrics
    with pytest.raises(LabelError, match="acc5"):
        answer(card_of(make_folder({"a": 2, "b": 2}), main_metric="acc5"))


def test_multi_label_targets_and_average_precision() -> None:
    targets = [(0, 2), (1,), (), (2,)]
    features = F.normalize(torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    scored = score(
        [
            ImageBatch([2, 0], features[[2, 0]], [hashed("c2"), hashed("c0")]),
            ImageBatch([3, 1], features[[3, 1]], [hashed("c3"), hashed("c1")]),
        ],
        LinearClassifier(torch.eye(3), 1.0),
        Described(("a", "b", "c"), None, targets),
        most=4,
        num_classes=3,
        multi_label=True,
        keep_scores=True,
    )
    assert list(scored.contents.items()) == [(row, hashed(f"c{row}")) for row in range(4)]
    assert prediction_table(scored, Described(("a", "b", "c"), None, targets))["content"].to_pylist()[3] == hashed("c3")
    assert scored.targets is not None
    assert scored.targets.tolist() == [
        [True, False, True],
        [False, True, False],
        [False] * 3,
        [False, False, True],
    ]
    torch.testing.assert_close(torch.from_numpy(scored.scores), features)
    from sklearn.metrics import average_precision_score

    expected = np.mean([average_precision_score(scored.targets[:, c], scored.scores[:, c]) for c in range(3)])
    assert MEASURES["mean_average_precision"].compute(scored, 0).value == pytest.approx(expected)


def test_chance_of_average_precision_is_that_of_random_rankings() -> None:
    random = np.random.default_rng(0)
    targets = np.zeros((20, 2), dtype=bool)
    targets[:8, 0], targets[:3, 1] = True, True
    scored = scored_of(targets=targets)
    for name in ("mean_average_precision", "map_11_point"):
        measure = MEASURES[name]
        drawn = [
            measure.compute(scored_of(targets=targets, scores=random.random((20, 2))), 0).value for _ in range(150)
        ]
        assert measure.chance(scored) == pytest.approx(np.mean(drawn), abs=0.03)
        assert measure.chance(scored) > targets.mean(axis=0).mean()


def test_a_model_without_a_temperature_has_no_calibration(folder: Path) -> None:
    model = toy()
    model.logit_scale = 1.0
    assert answer(card_of(folder), model=model).metrics["ece"].value is None
    assert answer(card_of(folder)).metrics["ece"].value is not None


def test_no_sample_at_all_is_an_error() -> None:
    with pytest.raises(DataError, match="no sample"):
        score(
            [],
            LinearClassifier(torch.eye(2), 1.0),
            Described(("a", "b"), None),
            most=0,
            num_classes=2,
            multi_label=False,
            keep_scores=False,
        )


def test_a_label_out_of_range_is_named() -> None:
    data = Described(("a", "b"), None, [0, 7])
    with pytest.raises(LabelError, match="'s1' has label 7"):
        PLUGIN.ask(card_of(Path("x")), {"test": data}, TaskOptions())


def test_metrics_that_do_not_exist_or_fit_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="acc_1") as caught:
        PLUGIN.check(card_of(Path("x"), metrics=["acc1", "acc_1"]), TaskOptions())
    assert caught.value.hint and "'acc1'" in caught.value.hint
    with pytest.raises(CardError, match="multi-label data, not single-label"):
        PLUGIN.check(card_of(Path("x"), metrics=["acc1", "map_11_point"]), TaskOptions())
