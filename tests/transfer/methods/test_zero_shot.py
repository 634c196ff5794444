"""The zero-shot head through the whole engine against open_clip's own builder, on a real architecture."""

from __future__ import annotations

import open_clip
import pytest
import torch
import torch.nn.functional as F

from vlmbench.cards import ModelCard
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.models.base import LoadOptions, PackedTextEncoder, capability
from vlmbench.models.open_clip.adapter import OpenClipModel, load
from vlmbench.prompts import PromptSet
from vlmbench.transfer.base import FewShot
from vlmbench.transfer.methods.zero_shot import METHOD, ensemble

CLASSES = ["airplane", "a rather long name of a class that takes many tokens", "猫", "cat"]
TEMPLATES = ["a photo of a {}.", "{}", "a low contrast photo of the small {}, taken on a rainy day."]


@pytest.fixture(scope="module")
def model() -> OpenClipModel:
    card = ModelCard(name="seeded", adapter="open_clip", spec="ViT-S-32-alt", options={"random_seed": 0})
    return load(card, LoadOptions())


def test_the_head_is_clips() -> None:
    features = F.normalize(torch.randn(6, 4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    head = ensemble(features.flatten(0, 1), 6)
    for row, prompts in zip(head, features, strict=True):  # CLIP_benchmark's zero_shot_classifier, line by line
        mean = F.normalize(prompts, dim=-1).mean(dim=0)
        torch.testing.assert_close(row, mean / mean.norm())


def test_the_head_is_open_clips(model: OpenClipModel) -> None:
    assert capability(model, PackedTextEncoder) is not None  # so the engine packs
    engine = FeatureEngine(model, EngineSettings())
    prompts = [template.format(name) for name in CLASSES for template in TEMPLATES]
    head = ensemble(engine.texts(prompts), len(CLASSES))
    tokenizer = open_clip.get_tokenizer("ViT-S-32-alt")
    expected = open_clip.build_zero_shot_classifier(model.network, tokenizer, CLASSES, TEMPLATES).T
    torch.testing.assert_close(head, expected, rtol=0, atol=1e-5)
    assert float((head * expected).sum(dim=1).min()) > 1 - 1e-6


def test_in_bfloat16_packed_prompts_differ_by_rounding_alone(model: OpenClipModel) -> None:
    prompts = [template.format(name) for name in CLASSES for template in TEMPLATES]
    packed = FeatureEngine(model, EngineSettings(precision="bf16")).texts(prompts)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        plain = torch.nn.functional.normalize(model.encode_text(prompts).float(), dim=1)
    whole = FeatureEngine(model, EngineSettings()).texts(prompts)
    assert float((packed - whole).norm(dim=1).max()) < 2 * float((plain - whole).norm(dim=1).max())


def test_packed_prompts_equal_the_plain_path(model: OpenClipModel) -> None:
    texts = ["", "cat", "x " * 200, "a photo of a cat.", "ein Foto von äöü", "写真", "cat", "!?…"]
    packed = FeatureEngine(model, EngineSettings()).texts(texts)
    with torch.inference_mode():
        plain = model.encode_text(texts)
    torch.testing.assert_close(packed, plain, rtol=0, atol=1e-6)


def test_the_classifier_is_the_head_at_the_models_scale(model: OpenClipModel) -> None:
    engine = FeatureEngine(model, EngineSettings())
    prompts = PromptSet(tuple(CLASSES), tuple(TEMPLATES), "card", "card")
    classifier = METHOD.fit(engine, FewShot(), prompts, {})
    images = F.normalize(torch.randn(3, model.embedding_dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    assert torch.equal(classifier.logits(images), images @ ensemble(engine.texts(prompts.prompts), len(CLASSES)).T)
    assert classifier.scale == model.logit_scale
