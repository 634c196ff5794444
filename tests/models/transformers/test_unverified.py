"""Model types that no family lists: those with both feature calls load as unverified, the others say what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
import torch
import torch.nn.functional as F
from models.tiny import assert_same_features
from said import sentences

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError, UnsupportedError
from vlmbench.models.base import LoadOptions

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import open_folder  # noqa: E402  (after the skip)
from models.dual_checkpoints import own_folder, own_modules  # noqa: E402

from vlmbench.models.transformers.adapter import load  # noqa: E402

TEXTS = ["a photo of a cat", "dog", "a dog of a photo of a cat of a dog"]


@pytest.fixture(autouse=True)
def modules_of_hubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_modules(tmp_path / "modules", monkeypatch)


def trusted(folder: Path) -> Any:
    card = ModelCard(name="model", adapter="transformers", spec=str(folder))
    return load(card, LoadOptions(offline=True, trust_remote_code=True))


@torch.inference_mode()
def test_a_repositorys_own_dual_encoder_loads_as_unverified(tmp_path):
    folder = own_folder(tmp_path / "own")
    said = sentences(lambda: trusted(folder))
    assert len(said) == 1 and said[0].startswith(
        "unverified-family: vlmbench does not know the model type 'own-encoder'"
    )
    assert "cuts them at 12 tokens" in said[0]
    model = trusted(folder)
    library = transformers.AutoModel.from_pretrained(folder, trust_remote_code=True)
    picture = PIL.Image.linear_gradient("L").convert("RGB")
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(images=picture, return_tensors="pt")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer(TEXTS, padding=True, truncation=True, max_length=12, return_tensors="pt")
    texts = library.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    assert_same_features(model.encode_text(TEXTS), F.normalize(texts, dim=-1))
    images = F.normalize(library.get_image_features(**pixels), dim=-1)
    assert_same_features(model.encode_image(model.preprocess(picture)[None]), images)
    assert model.logit_scale == pytest.approx(torch.tensor(3.0).exp().item())
    assert_same_features(torch.cat([model.encode_text([text]) for text in TEXTS]), model.encode_text(TEXTS))


def test_other_code_of_the_same_weights_is_another_model(tmp_path):
    folder = own_folder(tmp_path / "own")
    first = trusted(folder).identity
    assert trusted(folder).identity == first
    code = folder / "own_encoder.py"
    code.write_text(code.read_text().replace("pixel_values.mean(dim=(2, 3))", "pixel_values.amax(dim=(2, 3))"))
    second = trusted(folder).identity
    assert second.weights_sha256 == first.weights_sha256 and second.architecture != first.architecture


def test_its_code_runs_only_with_permission(tmp_path):
    with pytest.raises(ModelError, match="--trust-remote-code"):
        open_folder(own_folder(tmp_path / "own"))


@pytest.mark.parametrize(
    ("way", "kind", "message"),
    [
        ("every token", "OwnEncoder", r"those of two texts \(2, 14, 16\)|not vectors in one space"),
        ("other length", "OwnEncoder", "not vectors in one space"),
        ("unmasked", "OwnEncoder", "change by up to"),
        ("fails", "OwnEncoder", "ValueError: the pixels must be bytes"),
        ("fails silently", "OwnEncoder", "cannot be called like a dual encoder: ValueError"),
        ("right", "OwnOfInstructions", "get_text_features needs instruction, too"),
        ("right", "OwnOfImages", "it lacks get_text_features"),
    ],
)
def test_what_cannot_be_called_honestly_is_refused(tmp_path, way, kind, message):
    with pytest.raises(UnsupportedError, match=message):
        trusted(own_folder(tmp_path / "own", way, kind))


def test_a_tokenizer_without_a_limit_is_refused(tmp_path):
    folder = own_folder(tmp_path / "own")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["model_max_length"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="how many tokens of a text the model reads"):
        trusted(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("CLIPVisionConfig", "an image tower alone: it has no texts"),
        ("SiglipVisionConfig", "an image tower alone"),
        ("Dinov2Config", "an image tower alone"),
        ("MLCDVisionConfig", "an image tower alone"),
        ("ViTConfig", "an image tower alone"),
        ("CLIPTextConfig", "a model of text alone"),
        ("BertConfig", "a model of text alone"),
        ("LlamaConfig", "a model of text alone"),
        ("PaliGemmaConfig", "a generative model"),
        ("Qwen2VLConfig", "a generative model"),
        ("LlavaConfig", "a generative model"),
        ("GitConfig", "a generative model"),
        ("ClapConfig", "a model of audio"),
        ("WhisperConfig", "a model of audio"),
        ("VideoMAEConfig", "a model of clips"),
        ("DetrConfig", "a detector"),
        ("SamConfig", "a model of masks"),
        ("ViltConfig", "reads an image and a text together"),
        ("BridgeTowerConfig", "reads an image and a text together"),
    ],
)
def test_other_types_say_what_they_are(tmp_path, config, message):
    """No weights are read, and the pair becomes unsupported with what would change it."""
    getattr(transformers, config)().save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match=message) as refused:
        open_folder(tmp_path)
    assert refused.value.hint and "open_clip" not in refused.value.hint
