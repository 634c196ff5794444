"""CALIP against a literal implementation, and its known ends: without its two terms it is zero-shot."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from small_pictures import pictures
from torch import Tensor
from toy_adapter import toy

from vlmbench.data.base import Chosen
from vlmbench.errors import UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.settings import EngineSettings
from vlmbench.prompts import PromptSet
from vlmbench.testing.toy_parts import ToyPatches
from vlmbench.transfer.base import FewShot, lacks_needs
from vlmbench.transfer.inputs import inputs
from vlmbench.transfer.methods.features.calip import GRID, METHOD, AttentionClassifier, CalipOptions

DATA = pictures({"cat": range(6), "dog": range(6, 12)}, ((150, 110, 110), (110, 110, 150)))
PROMPTS = PromptSet(("cat", "dog", "bird"), ("a photo of a {}.", "{}"), "data", "default")
TEXTS, PATCHES, LENGTH, IMAGES = 5, 7, 12, 4


def made() -> tuple[Tensor, Tensor]:
    """Random images, (B, 1 + P, D), and texts, (C, D), of unit length."""
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(IMAGES, 1 + PATCHES, LENGTH, generator=generator, dtype=torch.float64)
    texts = torch.randn(TEXTS, LENGTH, generator=generator, dtype=torch.float64)
    return F.normalize(images, dim=-1), F.normalize(texts, dim=-1)


def dot(first: Tensor, second: Tensor) -> float:
    return sum(float(a) * float(b) for a, b in zip(first, second, strict=True))


def shares(values: list[float]) -> list[float]:
    total = sum(math.exp(value) for value in values)
    return [math.exp(value) / total for value in values]


def literal(image: Tensor, texts: Tensor, beta2: float, beta3: float) -> list[float]:
    """The formula of one image, number by number."""
    f, patches, places = image[0], image[1:], range(PATCHES)
    attention = [[2 * dot(patches[p], texts[c]) for c in range(TEXTS)] for p in places]
    looked = []
    for p in places:
        weights = shares(attention[p])
        looked.append([sum(weights[c] * float(texts[c, d]) for c in range(TEXTS)) for d in range(LENGTH)])
    pooled = [sum(row[d] for row in looked) / PATCHES + max(row[d] for row in looked) for d in range(LENGTH)]
    logits = []
    for c in range(TEXTS):
        weights = shares([attention[p][c] for p in places])
        seen = [sum(weights[p] * float(patches[p, d]) for p in places) for d in range(LENGTH)]
        logits.append(
            100 * dot(f, texts[c])
            + beta2 * 100 * dot(f, torch.tensor(seen))
            + beta3 * 100 * dot(torch.tensor(pooled, dtype=torch.float64), texts[c])
        )
    return logits


def test_calip_is_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    images, texts = made()
    found = AttentionClassifier(texts, 1.3, 0.07, 2.0, 100.0).logits(images)
    expected = torch.tensor([literal(image, texts, 1.3, 0.07) for image in images], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    monkeypatch.setattr("vlmbench.transfer.methods.features.calip._AT_ONCE", 1)
    torch.testing.assert_close(
        AttentionClassifier(texts, 1.3, 0.07, 2.0, 100.0).logits(images), found, rtol=0, atol=1e-12
    )


def test_without_both_terms_it_is_zero_shot() -> None:
    images, texts = made()
    found = AttentionClassifier(texts, 0.0, 0.0, 2.0, 100.0).logits(images)
    torch.testing.assert_close(found, 100 * images[:, 0] @ texts.T, rtol=0, atol=1e-12)


def engine_of() -> FeatureEngine:
    model = toy()
    model.capabilities = {"DenseEncoder": ToyPatches()}
    return FeatureEngine(model, EngineSettings(batch_size=5))


def test_the_readout_is_plain_if_the_model_has_it() -> None:
    engine = engine_of()
    (fitted,) = METHOD.fit_draws(engine, [FewShot()], PROMPTS, {})
    assert fitted.settled == {"readout": "plain"}
    (other,) = METHOD.fit_draws(engine, [FewShot()], PROMPTS, {"readout": "other"})
    assert other.settled == {"readout": "other"}
    engine.model.capabilities = {"DenseEncoder": ToyPatches(readouts=("other",))}
    assert METHOD.fit_draws(engine, [FewShot()], PROMPTS, {})[0].settled == {"readout": "other"}
    with pytest.raises(UsageError, match="toy has no readout 'plane' of patch features"):
        METHOD.fit(engine_of(), FewShot(), PROMPTS, {"readout": "plane"})


def test_validation_chooses_the_first_of_the_best_settings_and_none_that_the_user_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The toy has one patch, of which every class sees the same; so beta3 alone matters, with a wider range."""
    values = (0.0, 0.5, 1.0, 2.0, 8.0, 9.0)
    monkeypatch.setitem(GRID, "beta3", values)
    engine, val = engine_of(), Chosen(DATA, range(12))
    (found,) = METHOD.fit_draws(engine, [FewShot(val=val)], PROMPTS, {"beta2": 0.2})
    labels = torch.tensor([sample.target for sample in DATA.samples])
    images = torch.cat([batch.features for batch in inputs(engine, val, METHOD, {"readout": "plain"})])
    assert isinstance(found.classifier, AttentionClassifier)
    heads = [replace(found.classifier, beta3=value) for value in values]
    right = [int((head.logits(images).argmax(1) == labels).sum()) for head in heads]
    assert len(set(right)) > 1, "the setting plays no part in this test"
    assert found.chosen == {"beta3": values[right.index(max(right))]}
    assert found.tried == 6 and found.last is None, "it takes no steps"


def test_other_classes_are_scored_with_their_texts() -> None:
    engine = engine_of()
    (found,) = METHOD.fit_draws(engine, [FewShot()], PROMPTS, {"beta2": 0.5})
    assert found.for_classes is not None
    other = replace(PROMPTS, class_names=("horse", "cow"))
    classifier, alone = found.for_classes(engine, other), METHOD.fit(engine, FewShot(), other, {"beta2": 0.5})
    images = torch.cat([b.features for b in inputs(engine, Chosen(DATA, range(4)), METHOD, {})])
    assert torch.equal(classifier.logits(images), alone.logits(images))


def test_a_model_without_patches_is_refused() -> None:
    assert "calip needs DenseEncoder, which this model does not offer" in str(lacks_needs(METHOD, toy()))
    assert set(CalipOptions.model_fields) == {"beta2", "beta3", "attention", "scale", "readout"}
