"""BLIP-2 through the transformers adapter: the library's own scores, and what its checkpoints must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from said import sentences

from vlmbench.errors import ModelError, UnsupportedError, UsageError
from vlmbench.features.vectors.similarity import similarities
from vlmbench.models.base import Model, TokenReader, capability, lacks_encoders
from vlmbench.models.memory.given import as_model
from vlmbench.models.multi_vector import MultiVectorEncoder, multi_vector
from vlmbench.testing import check_model

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import BERT_WORDS, TEXT, bert_tokenizer, open_folder, save  # noqa: E402  (after the skip)
from support.abilities import check_cards_of  # noqa: E402

QUERIES = 4
TEXTS = ["a photo of a cat", "dog", "a dog of a photo of a cat of a dog", "a", "cat " * 60]


def blip2(folder: Path, *, head: str = "Blip2ForImageTextRetrieval", image_token: bool = False) -> Path:
    config = transformers.Blip2Config(
        vision_config={**TEXT, "image_size": 32, "patch_size": 16},
        qformer_config={
            **TEXT,
            "vocab_size": len(BERT_WORDS),
            "encoder_hidden_size": 32,
            "max_position_embeddings": 64,
            "use_qformer_text_input": True,
        },
        text_config={
            "model_type": "opt",
            "vocab_size": 20,
            "hidden_size": 32,
            "ffn_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "word_embed_proj_dim": 32,
        },
        num_query_tokens=QUERIES,
        image_text_hidden_size=24,
        image_token_index=1 if image_token else None,
    )
    network = getattr(transformers, head)(config)
    images = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    return save(folder, network, bert_tokenizer(), images)


@pytest.fixture(scope="module", params=[False, True], ids=["no image token", "image token"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blip2(tmp_path_factory.mktemp("blip2"), image_token=request.param)


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return open_folder(folder)


def encoder_of(model: Model) -> MultiVectorEncoder:
    found = multi_vector(model)
    assert found is not None
    return found


@pytest.fixture
def pictures() -> list[PIL.Image.Image]:
    random = np.random.default_rng(0)
    return [
        PIL.Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8))
        for w, h in ((40, 50), (32, 32), (90, 30))
    ]


def librarys(folder: Path, pictures: list[PIL.Image.Image], texts: list[str]) -> Any:
    """The library's forward pass without the matching head, with its processor's tokens for the image."""
    network = transformers.Blip2ForImageTextRetrieval.from_pretrained(folder).eval()
    images = transformers.AutoImageProcessor.from_pretrained(folder)(images=pictures, return_tensors="pt")
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=35, return_tensors="pt"
    )
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    if network.config.image_token_index is not None:
        ids = torch.cat([torch.ones(len(texts), QUERIES, dtype=torch.long), ids], dim=1)
        mask = torch.cat([torch.ones(len(texts), QUERIES, dtype=torch.long), mask], dim=1)
    with torch.inference_mode():
        return network(
            pixel_values=images["pixel_values"], input_ids=ids, attention_mask=mask, use_image_text_matching_head=False
        )


def test_scores_are_the_librarys(folder: Path, model: Model, pictures: list[PIL.Image.Image]) -> None:
    expected, encoder = librarys(folder, pictures, TEXTS), encoder_of(model)
    with torch.inference_mode():
        images = encoder.encode_image_vectors(torch.stack([encoder.preprocess(picture) for picture in pictures]))
        texts = encoder.encode_text_vectors(TEXTS)
    assert images.shape == (3, QUERIES, 24) and texts.shape == (len(TEXTS), 1, 24)
    assert (images - expected.image_embeds).abs().max() < 1e-5
    assert (texts[:, 0] - expected.text_embeds).abs().max() < 1e-5
    found = similarities(images, texts, encoder.similarity)
    assert (found.to_texts - expected.logits_per_image).abs().max() < 1e-5
    assert (found.to_images.T - expected.logits_per_text).abs().max() < 1e-5
    best = (images @ texts[:, 0].T).argmax(dim=1)
    assert len(best.unique()) > 1, "different queries are the best, so the maximum matters"


def test_batches_and_padding_change_nothing(model: Model, pictures: list[PIL.Image.Image]) -> None:
    encoder = encoder_of(model)
    with torch.inference_mode():
        together = encoder.encode_text_vectors(TEXTS)
        alone = torch.cat([encoder.encode_text_vectors([text]) for text in TEXTS])
        assert (together - alone).abs().max() < 1e-6
        pixels = torch.stack([encoder.preprocess(picture) for picture in pictures])
        ones = torch.cat([encoder.encode_image_vectors(each[None]) for each in pixels])
        assert (encoder.encode_image_vectors(pixels) - ones).abs().max() < 1e-6
        assert encoder.encode_text_vectors([]).shape == (0, 1, 24)


def test_it_keeps_every_promise(folder: Path) -> None:
    kept = check_model(open_folder(folder), texts=["dog", "cat"]).kept
    assert any("encode_image_vectors" in promise for promise in kept)
    assert any("encode_text_vectors" in promise for promise in kept)


def test_it_is_no_dual_encoder_and_counts_its_tokens(model: Model) -> None:
    assert "several vectors" in str(lacks_encoders(model))
    reader = capability(model, TokenReader)
    assert reader is not None
    assert reader.context_length == 35
    assert list(reader.token_counts(["cat " * 60, "dog"]))[:1] == [62]
    assert reader.tokenize(["cat " * 60, "dog"]).shape == (2, 35)


def test_a_checkpoint_that_describes_images_is_refused_before_its_weights_are_read(tmp_path: Path) -> None:
    saved = blip2(tmp_path, head="Blip2ForConditionalGeneration")
    (saved / "model.safetensors").unlink()
    with pytest.raises(
        UnsupportedError,
        match="the class Blip2ForConditionalGeneration has no features of images and of texts in one space",
    ) as caught:
        open_folder(saved)
    assert caught.value.hint == "Of this model type, vlmbench can use Blip2ForImageTextRetrieval."


def test_missing_projections_are_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    saved = blip2(tmp_path)
    weights = load_file(saved / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"text_projection\.weight"):
        open_folder(saved)


def test_another_weight_is_another_identity(folder: Path, model: Model, tmp_path: Path) -> None:
    network = transformers.Blip2ForImageTextRetrieval.from_pretrained(folder)
    network.query_tokens.data[0, 0, 0] += 0.5
    network.save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    transformers.AutoImageProcessor.from_pretrained(folder).save_pretrained(tmp_path)
    assert open_folder(tmp_path).identity.weights_sha256 != model.identity.weights_sha256
    assert not sentences(lambda: open_folder(tmp_path))


def test_a_module_in_memory_is_the_same_model(folder: Path, model: Model) -> None:
    network = transformers.Blip2ForImageTextRetrieval.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    images = transformers.AutoImageProcessor.from_pretrained(folder)
    given = as_model(network, images, tokenizer, name="mine", identity="hash")
    made = given.load()
    assert made.identity.weights_sha256 == model.identity.weights_sha256
    assert multi_vector(made) is not None
    with torch.inference_mode():
        assert torch.equal(encoder_of(made).encode_text_vectors(TEXTS), encoder_of(model).encode_text_vectors(TEXTS))
    with pytest.raises(UsageError, match="has no method encode_image"):
        as_model(network, lambda image: image, lambda texts: texts, name="mine")


def test_cards_state_what_the_family_can_do(model):
    check_cards_of("blip-2", "transformers", model)


def test_a_loaded_model_that_was_trained_since_is_refused(folder: Path) -> None:
    changed: Any = open_folder(folder)
    assert as_model(changed).load() is changed
    changed.network.text_projection.weight.data.mul_(2)
    with pytest.raises(ModelError, match="its weights have changed since it was loaded"):
        as_model(changed).load()
