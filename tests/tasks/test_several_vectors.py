"""Classification with several vectors an image and a text: scores and metrics against a brute force in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from said import remarked

import vlmbench.features.vectors.similarity as similarity_module
import vlmbench.tasks.several_vectors as classifier_module
from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.models.multi_vector import Ensemble, Similarity
from vlmbench.remarks.codes import INDISTINCT_CLASSES
from vlmbench.tasks.base import TaskOptions
from vlmbench.tasks.classification.plugin import PLUGIN
from vlmbench.testing import ToyVectors, toy_clips, toy_dataset
from vlmbench.testing.toy_models import toy_model
from vlmbench.transfer.asked import TransferAsked

TEMPLATES = ("a {}", "one photo of the {}", "{} it is")


def card(*metrics: str, multi_label: bool = False) -> TaskCard:
    return TaskCard.model_validate(
        {
            "name": "t",
            "plugin": "classification",
            "sources": [{"kind": "imagefolder", "location": "x"}],
            "metrics": list(metrics),
            "main_metric": metrics[0],
            "multi_label": multi_label,
        }
    )


def brute_force(model: ToyVectors, data: ImageDataset) -> np.ndarray:
    """(N, C) the similarity of each image to each class, one cosine after the other, in float64."""
    names = data.classes or ()
    scores = np.empty((len(data.samples), len(names)))
    for index, sample in enumerate(data.samples):
        pixels = model.preprocess(decode_rgb(data.read(index), sample.id).image)
        image = model.encode_image_vectors(pixels[None])[0].numpy().astype(np.float64)
        for place, name in enumerate(names):
            texts = [
                model.encode_text_vectors([template.format(name)])[0].numpy().astype(np.float64)
                for template in TEMPLATES
            ]
            if model.ensemble == "mean of vectors":
                mean = sum(texts) / len(texts)
                texts = [mean / np.sqrt((mean**2).sum() / len(mean))]
            found = []
            for text in texts:
                cosines = image @ text[np.abs(text).sum(axis=1) > 0].T
                found.append(cosines.max() if text.shape[0] == 1 else cosines.max(axis=1).mean())
            scores[index, place] = sum(found) / len(found)
    return scores


@pytest.mark.parametrize(
    ("similarity", "ensemble", "words"),
    [
        ("token-wise", "mean of similarities", 5),
        ("token-wise", "mean of vectors", 2),
        ("max over image vectors", "mean of vectors", 5),
        ("max over image vectors", "mean of similarities", 5),
    ],
)
@pytest.mark.parametrize("small", [False, True])
def test_scores_and_metrics_are_those_of_a_brute_force(
    monkeypatch: pytest.MonkeyPatch, similarity: Similarity, ensemble: Ensemble, words: int, small: bool
) -> None:
    if small:
        monkeypatch.setattr(similarity_module, "BLOCK_COSINES", 30)
        monkeypatch.setattr(classifier_module, "MOST_SCORES", 20)
    model, data = ToyVectors(similarity=similarity, ensemble=ensemble, words=words), toy_dataset(samples=24)
    expected = brute_force(model, data)
    engine = FeatureEngine(model, EngineSettings(batch_size=5))
    question = PLUGIN.ask(card("acc1", "ece", "roc_auc"), {"test": data}, TaskOptions(templates=TEMPLATES))
    found = question.answer(engine)
    labels = np.array([sample.target for sample in data.samples])
    scores = np.array(found.predictions["scores"].to_pylist())
    assert np.abs(scores - expected).max() < 1e-6
    assert found.metrics["acc1"].value == pytest.approx((expected.argmax(axis=1) == labels).mean())
    exponents = np.exp(model.logit_scale * expected)
    confidence = (exponents / exponents.sum(axis=1, keepdims=True)).max(axis=1)
    assert np.abs(np.array(found.predictions["confidence"]) - confidence).max() < 1e-5
    assert "scale" not in found.predictions.column_names, "the scale is the model's, and its record has it"
    assert found.metrics["ece"].value is not None


def test_multi_label_data_works() -> None:
    model, data = ToyVectors(), toy_dataset("classes")
    question = PLUGIN.ask(
        card("mean_average_precision", multi_label=True), {"test": data}, TaskOptions(templates=TEMPLATES)
    )
    found = question.answer(FeatureEngine(model, EngineSettings()))
    assert np.abs(np.array(found.predictions["scores"].to_pylist()) - brute_force(model, data)).max() < 1e-6


def test_protocol_says_how_and_that_of_dual_encoders_is_as_it_was() -> None:
    question = PLUGIN.ask(card("acc1"), {"test": toy_dataset()}, TaskOptions())
    own, dual = question.protocol(ToyVectors()), question.protocol(toy_model())
    assert {name: own[name] for name in own if own[name] != dual.get(name)} == {
        "similarity": "token-wise",
        "image_vectors": 4,
        "text_vectors": 5,
        "ensemble": "mean of similarities",
        "confidence": "softmax of logit_scale x similarity",
    }
    assert dual["confidence"] == "softmax of logit_scale x cosine"
    assert not {"similarity", "ensemble"} & set(dual)


def test_what_it_cannot_answer_is_said() -> None:
    clips = PLUGIN.ask(card("acc1"), {"test": toy_clips()}, TaskOptions())
    assert "frames of a clip several vectors" in str(clips.unsupported(ToyVectors()))
    data = toy_dataset()
    asked = TaskOptions(transfer=TransferAsked(method="tip-adapter", shots=1))
    adapted = PLUGIN.ask(card("acc1"), {"test": data, "train": toy_dataset(seed=1)}, asked)
    reason = str(adapted.unsupported(ToyVectors()))
    assert "several vectors, and not one" in reason
    assert "demo-clip" in reason
    assert "zero-shot classification and retrieval" in reason


@pytest.mark.parametrize("ensemble", ["mean of similarities", "mean of vectors"])
def test_classes_that_are_equal_for_the_model_are_a_remark(ensemble: Ensemble) -> None:
    data = toy_dataset()
    names = tuple(f"one two three four five {name}" for name in data.classes or ())
    renamed = TaskOptions(class_names=names, templates=("{}",))
    question, _ = remarked(lambda: PLUGIN.ask(card("acc1"), {"test": data}, renamed))
    engine = FeatureEngine(ToyVectors(ensemble=ensemble), EngineSettings())
    _, remarks = remarked(lambda: question.answer(engine))
    assert [remark.code for remark in remarks] == [INDISTINCT_CLASSES.name]
    other = PLUGIN.ask(card("acc1"), {"test": data}, TaskOptions())
    assert not remarked(lambda: other.answer(engine))[1]
