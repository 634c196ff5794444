"""Retrieval with several vectors an image and a text: every metric against a brute-force computation in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

import vlmbench.features.vectors.similarity as similarity_module
import vlmbench.features.vectors.store as store_module
import vlmbench.features.vectors.texts as texts_module
import vlmbench.tasks.retrieval.ranks as ranks_module
from vlmbench.cards import TaskCard
from vlmbench.data.base import ImageDataset
from vlmbench.data.formats.pixels import decode_rgb
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.models.multi_vector import Similarity
from vlmbench.tasks.base import Outcome, TaskOptions
from vlmbench.tasks.retrieval.plugin import PLUGIN
from vlmbench.testing import ToyImages, ToyVectors, toy_clips, toy_dataset
from vlmbench.testing.toy_models import toy_model

METRICS = (
    "image_to_text_recall@1",
    "image_to_text_recall@5",
    "text_to_image_recall@1",
    "text_to_image_recall@5",
    "image_to_text_mean_rank",
    "text_to_image_mean_rank",
)
CARD = TaskCard.model_validate(
    {
        "name": "t",
        "plugin": "retrieval",
        "sources": [{"kind": "captions", "location": "x"}],
        "metrics": list(METRICS),
        "main_metric": METRICS[0],
    }
)


def answered(model: ToyVectors, data: ImageDataset, options: TaskOptions | None = None) -> Outcome:
    engine = FeatureEngine(model, EngineSettings(batch_size=3))
    return PLUGIN.ask(CARD, {"test": data}, options or TaskOptions()).answer(engine)


def brute_force(model: ToyVectors, data: ImageDataset) -> dict[str, float]:
    """One pair after the other, in float64; ties count against the model."""
    images, texts, owner = [], [], []
    for index, sample in enumerate(data.samples):
        image = decode_rgb(data.read(index), sample.id).image
        images.append(model.encode_image_vectors(model.preprocess(image)[None])[0].numpy().astype(np.float64))
        for caption in sample.target:  # type: ignore[union-attr]
            text = model.encode_text_vectors([str(caption)])[0].numpy().astype(np.float64)
            texts.append(text[np.abs(text).sum(axis=1) > 0])
            owner.append(index)
    to_texts, to_images = np.empty((len(images), len(texts))), np.empty((len(images), len(texts)))
    for i, image in enumerate(images):
        for t, text in enumerate(texts):
            cosines = image @ text.T
            if model.similarity == "max over image vectors":
                to_texts[i, t] = to_images[i, t] = cosines.max()
            else:
                to_texts[i, t], to_images[i, t] = cosines.max(axis=1).mean(), cosines.max(axis=0).mean()
    owners = np.array(owner)
    image_ranks, caption_ranks = [], []
    for i in range(len(images)):
        best = to_texts[i, owners == i].max()
        image_ranks.append(1 + int((to_texts[i, owners != i] >= best - 1e-6).sum()))
    for t, i in enumerate(owner):
        others = np.delete(to_images[:, t], i)
        caption_ranks.append(1 + int((others >= to_images[i, t] - 1e-6).sum()))
    found = {"image_to_text": np.array(image_ranks), "text_to_image": np.array(caption_ranks)}
    return {
        name: float((found[name[:13]] <= int(name[-1])).mean()) if "@" in name else float(found[name[:13]].mean())
        for name in METRICS
    }


@pytest.mark.parametrize("similarity", ["token-wise", "max over image vectors"])
@pytest.mark.parametrize("small", [False, True])
def test_metrics_are_those_of_a_brute_force(
    monkeypatch: pytest.MonkeyPatch, similarity: Similarity, small: bool
) -> None:
    if small:  # every array is in a file, and every block holds a few pairs
        monkeypatch.setattr(store_module, "MOST_IN_MEMORY", 0)
        monkeypatch.setattr(similarity_module, "BLOCK_COSINES", 50)
        monkeypatch.setattr(texts_module, "PART_VALUES", 100)
        monkeypatch.setattr(ranks_module, "BLOCK_SCORES", 30)
    model, data = ToyVectors(similarity=similarity), toy_dataset("captions", samples=18)
    expected = brute_force(model, data)
    found = answered(model, data)
    assert {name: found.metrics[name].value for name in METRICS} == pytest.approx(expected)
    assert len(set(expected.values())) > 2, "the case must be able to tell metrics apart"


def test_the_two_directions_differ() -> None:
    """A caption is found by its own similarity to the image, which is not the image's to the caption."""
    data = toy_dataset("captions", samples=24)
    model = ToyVectors()
    tokens = brute_force(model, data)
    only = np.array([tokens[name] for name in METRICS])
    assert only[0] != pytest.approx(only[2])


def test_each_text_and_image_is_encoded_once_a_cache_away(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    from vlmbench.features.run_cache import RunCache

    monkeypatch.setenv("VLMBENCH_CACHE", str(tmp_path))
    data = toy_dataset("captions", samples=12)
    outcomes = []
    for _ in range(2):
        model, cache = ToyVectors(), RunCache(True, "fp32")
        engine = FeatureEngine(model, EngineSettings(batch_size=5), spaces=cache)
        outcomes.append(PLUGIN.ask(CARD, {"test": data}, TaskOptions()).answer(engine))
        cache.finish()
    assert (model.image_calls, model.text_calls) == (0, 0), "the second run takes all vectors from the cache"
    assert outcomes[0].metrics == outcomes[1].metrics
    assert outcomes[0].predictions.equals(outcomes[1].predictions)
    other = FeatureEngine(ToyVectors(seed=1), EngineSettings(), spaces=RunCache(True, "fp32"))
    PLUGIN.ask(CARD, {"test": data}, TaskOptions()).answer(other)
    assert other.model.image_calls == 12, "vectors of other weights are not taken"  # type: ignore[attr-defined]


def test_a_subset_in_any_order_has_its_own_answers() -> None:
    data = toy_dataset("captions", samples=20)
    one = answered(ToyVectors(), data, TaskOptions(limit=9, seed=3))
    engine = FeatureEngine(ToyVectors(), EngineSettings(batch_size=1))
    question = PLUGIN.ask(CARD, {"test": data}, TaskOptions(limit=9, seed=3))
    shuffled = type(question)(CARD, data, list(question.indices)[::-1], question.settings, question.seed)
    assert shuffled.answer(engine).predictions.equals(one.predictions)


def test_equal_captions_and_equal_images_count_against_the_model() -> None:
    data = toy_dataset("captions", samples=6)
    assert isinstance(data, ToyImages)
    copies = [replace(sample, id=f"copy of {sample.id}") for sample in data.samples]
    found = answered(ToyVectors(), ToyImages([*data.samples, *copies], [*data.files, *data.files]))
    assert found.metrics["image_to_text_recall@1"].value == 0.0
    assert found.metrics["text_to_image_recall@1"].value == 0.0


def test_the_protocol_names_the_similarity_and_that_of_dual_encoders_is_as_it_was() -> None:
    question = PLUGIN.ask(CARD, {"test": toy_dataset("captions")}, TaskOptions())
    assert question.unsupported(ToyVectors()) is None
    own, dual = question.protocol(ToyVectors()), question.protocol(toy_model())
    assert {name: own[name] for name in own if name not in dual} == {
        "similarity": "token-wise",
        "image_vectors": 4,
        "text_vectors": 5,
    }
    assert "similarity" not in dual


def test_clips_are_unsupported_and_the_reason_says_what_to_use() -> None:
    question = type(PLUGIN.ask(CARD, {"test": toy_dataset("captions")}, TaskOptions()))
    asked = question(CARD, toy_clips(), [0], None, 0)  # type: ignore[arg-type]
    reason = asked.unsupported(ToyVectors())
    assert reason is not None
    assert "frames of a clip several vectors" in reason and "demo-clip" in reason
    assert asked.unsupported(toy_model()) is None


def test_a_model_of_nan_or_wrong_shapes_is_one_message() -> None:
    from vlmbench.errors import ModelError, NonFiniteFeaturesError

    class Broken(ToyVectors):
        def encode_text_vectors(self, texts: Sequence[str]) -> torch.Tensor:
            return super().encode_text_vectors(texts) * float("nan")

    class Wide(ToyVectors):
        def encode_image_vectors(self, pixels: torch.Tensor) -> torch.Tensor:
            return super().encode_image_vectors(pixels)[:, :3]

    data = toy_dataset("captions", samples=4)
    with pytest.raises(NonFiniteFeaturesError):
        answered(Broken(), data)
    with pytest.raises(ModelError, match="not vectors of shape"):
        answered(Wide(), data)
