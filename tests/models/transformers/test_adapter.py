"""The transformers adapter against the library itself, on small seeded checkpoints saved by it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import PIL.Image
import pytest
import torch
from models.tiny import (
    PROMPTS,
    SHARING,
    assert_counts_tokens,
    assert_same_features,
    packed_difference,
    prefix_difference,
    shaken,
)
from said import remarked, sentences
from torch.nn.functional import normalize
from toy_adapter import toy

from vlmbench.errors import ModelError, UsageError
from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, capability
from vlmbench.models.memory.given import as_model
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.transfer import METHODS
from vlmbench.transfer.base import lacks_needs

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import (  # noqa: E402  (after the skip)
    TEXT,
    VISION,
    clip_tokenizer,
    open_folder,
    word_tokenizer,
)

from vlmbench.models.transformers.model import TransformersModel  # noqa: E402
from vlmbench.rgb import as_rgb  # noqa: E402


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    text = {**TEXT, "vocab_size": 49408, "eos_token_id": 49407, "bos_token_id": 49406}
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    size = {"shortest_edge": 32}
    transformers.CLIPImageProcessor(size=size, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    text = {**TEXT, "vocab_size": 10, "max_position_embeddings": 16}
    config = transformers.SiglipConfig(text_config=text, vision_config=VISION)
    torch.manual_seed(0)
    model = transformers.SiglipModel(config)
    model.logit_scale.data.fill_(2.0)
    model.logit_bias.data.fill_(-7.0)
    model.save_pretrained(folder)
    word_tokenizer(lowercase=True).save_pretrained(folder)
    transformers.SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def copied(folder: Path, to: Path, **config: Any) -> Path:
    """A copy of a checkpoint with another text config."""
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    content = json.loads((to / "config.json").read_text())
    content["text_config"].update(config)
    (to / "config.json").write_text(json.dumps(content))
    return to


@pytest.fixture(scope="session")
def clip(clip_folder: Path) -> TransformersModel:
    return open_folder(clip_folder)


def features(output: Any) -> torch.Tensor:
    return normalize(output if isinstance(output, torch.Tensor) else output.pooler_output, dim=-1)


def test_clip_features_are_the_librarys(clip, clip_folder):
    library = transformers.CLIPModel.from_pretrained(clip_folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(clip_folder)
    batch = tokenizer(PROMPTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        assert_same_features(clip.encode_text(PROMPTS), features(library.get_text_features(**batch)))
        assert_same_features(clip.encode_image(pixels), features(library.get_image_features(pixel_values=pixels)))
        assert clip.encode_text([]).shape == (0, 24)
    assert clip.embedding_dim == 24 and clip.logit_bias == 0.0
    assert clip.logit_scale == pytest.approx(library.logit_scale.exp().item())
    of_texts = {"PrefixTextEncoder", "PackedTextEncoder", "TokenReader", "TunableTowers"}
    assert set(clip.capabilities) == {*of_texts, "DenseEncoder", "TunableImageTower"}
    assert_counts_tokens(clip, 77, lambda text: len(tokenizer(text)["input_ids"]))


def test_clip_tokens_are_open_clips(clip):
    """The same vocabulary twice: what the two libraries make of plain prompts must agree."""
    ours = capability(clip, PrefixTextEncoder).tokenize(["a photo of a cat", "A dog!"])
    theirs = open_clip.tokenize(["a photo of a cat", "A dog!"])
    assert ours[0].tolist() == theirs[0, : ours.shape[1]].tolist()
    assert ours[1, :5].tolist() == theirs[1, :5].tolist()


@pytest.mark.parametrize("eos_token_id", [49407, 2])
def test_cut_texts_have_the_plain_features(eos_token_id, clip_folder, tmp_path):
    """Also with the wrong end-of-text id of old configs, where the library takes the highest id."""
    model = open_folder(copied(clip_folder, tmp_path, eos_token_id=eos_token_id))
    assert capability(model, PrefixTextEncoder) is not None
    assert prefix_difference(model, PROMPTS) < 1e-6
    assert model.capabilities["PrefixTextEncoder"].lengths(torch.tensor([[49406, 5, 49407, 49407]])).tolist() == [3]


def test_packed_prompts_have_the_plain_features(clip_folder):
    model = shaken(open_folder(clip_folder))
    assert capability(model, PackedTextEncoder) is not None
    assert packed_difference(model, SHARING) < 1e-6


def test_siglip_features_are_the_librarys(siglip_folder):
    model = open_folder(siglip_folder)
    library = transformers.SiglipModel.from_pretrained(siglip_folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(siglip_folder)
    prompts = ["a photo of a cat", "dog", "", " ".join(["cat"] * 40)]
    batch = tokenizer(prompts, padding="max_length", max_length=16, truncation=True, return_tensors="pt")
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = features(library.get_text_features(input_ids=batch["input_ids"]))
        assert_same_features(model.encode_text(prompts), expected)
        assert_same_features(model.encode_image(pixels), features(library.get_image_features(pixel_values=pixels)))
        # Alone or in a batch, a text is padded to the full length.
        torch.testing.assert_close(model.encode_text(["dog"]), expected[1:2])
    assert model.logit_scale == pytest.approx(np.exp(2.0)) and model.logit_bias == -7.0
    assert "PrefixTextEncoder" not in model.capabilities
    assert_counts_tokens(model, 16, lambda text: len(tokenizer(text)["input_ids"]))
    lowered = open_folder(siglip_folder, lowercase=True)
    assert_counts_tokens(lowered, 16, lambda text: len(tokenizer(text.lower())["input_ids"]))


def test_a_tokenizer_that_keeps_case_is_told(siglip_folder, tmp_path):
    folder = copied(siglip_folder, tmp_path)
    word_tokenizer(lowercase=False).save_pretrained(folder)
    (said,) = sentences(lambda: open_folder(folder))
    assert said.startswith("case-kept: ") and "lowercase: true" in said
    lowered, nothing = remarked(lambda: open_folder(folder, lowercase=True))
    assert not nothing
    with torch.inference_mode():
        assert torch.equal(lowered.encode_text(["A Photo"]), lowered.encode_text(["a photo"]))


def test_preprocess_is_the_checkpoints_own(clip, clip_folder, odd_image):
    processor = transformers.AutoImageProcessor.from_pretrained(clip_folder)
    expected = processor(images=as_rgb(odd_image), return_tensors="pt")["pixel_values"][0]
    assert torch.equal(clip.preprocess(odd_image), expected)
    assert clip.preprocess(odd_image).shape == (3, 32, 32) and clip.preprocess(odd_image).dtype == torch.float32


def test_siglip_preprocess_takes_every_mode(siglip_folder, odd_image):
    """SigLIP's checkpoints leave the conversion to RGB to the caller."""
    model = open_folder(siglip_folder)
    assert model.preprocess(odd_image).shape == (3, 32, 32)
    if odd_image.mode == "RGB":
        processor = transformers.AutoImageProcessor.from_pretrained(siglip_folder)
        expected = processor(images=odd_image, return_tensors="pt")["pixel_values"][0]
        assert torch.equal(model.preprocess(odd_image), expected)


def test_preprocess_from_many_threads(clip):
    random = np.random.default_rng(0)
    images = [PIL.Image.fromarray(random.integers(0, 256, (40, 50, 3), dtype=np.uint8)) for _ in range(40)]
    alone = [clip.preprocess(image) for image in images]
    with ThreadPoolExecutor(max_workers=8) as pool:
        together = list(pool.map(clip.preprocess, images))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))


def test_identity_is_of_the_content(small_clip, tmp_path):
    again = open_folder(copied(small_clip, tmp_path)).identity
    assert again == open_folder(small_clip).identity
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    processor.save_pretrained(tmp_path)
    other = open_folder(tmp_path).identity
    assert other.preprocess != again.preprocess and other.weights_sha256 == again.weights_sha256


def rewritten(folder: Path, to: Path, change: Any) -> Path:
    from safetensors.torch import load_file, save_file

    copied(folder, to)
    state = load_file(to / "model.safetensors")
    change(state)
    save_file(state, to / "model.safetensors", metadata={"format": "pt"})
    return to


def test_missing_weights_are_never_drawn_at_random(small_clip, tmp_path):
    folder = rewritten(small_clip, tmp_path, lambda state: state.pop("text_projection.weight"))
    with pytest.raises(ModelError, match=r"lacks 1 of .*text_projection\.weight"):
        open_folder(folder)


def test_weights_of_another_shape(small_clip, tmp_path):
    folder = rewritten(small_clip, tmp_path, lambda state: state.update({"text_projection.weight": torch.zeros(9, 32)}))
    with pytest.raises(ModelError, match="text_projection"):
        open_folder(folder)


def test_weights_without_a_place_are_told(small_clip, tmp_path):
    folder = rewritten(small_clip, tmp_path, lambda state: state.update({"extra.weight": torch.zeros(2)}))
    said = sentences(lambda: open_folder(folder))
    assert said == ["unused-weights: the checkpoint has 1 weight for which the model has no place: extra.weight"]


def test_half_precision_checkpoints_run_in_float32(small_clip, tmp_path):
    copied(small_clip, tmp_path)
    transformers.CLIPModel.from_pretrained(small_clip).half().save_pretrained(tmp_path)
    model = open_folder(tmp_path)
    assert {parameter.dtype for parameter in model.network.parameters()} == {torch.float32}


def test_broken_checkpoints(small_clip, tmp_path):
    folder = copied(small_clip, tmp_path)
    (folder / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="weights cannot be loaded"):
        open_folder(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="weights cannot be loaded"):
        open_folder(folder)
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        open_folder(folder)
    with pytest.raises(ModelError, match="no folder at"):
        open_folder(tmp_path / "absent")
    with pytest.raises(ModelError, match="needs a spec"):
        open_folder("")


def test_unknown_families_name_the_known_ones(tmp_path):
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"'bert'[^\n]*\nIt knows [^\n]*clip, siglip"):
        open_folder(tmp_path)


def test_offline_says_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"--offline forbids[^\n]*\n.*hf download no-org/no-repo"):
        open_folder("no-org/no-repo")


def test_code_in_a_checkpoint_is_not_run_unasked(tmp_path):
    config = {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.OwnModel"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "own.py").write_text("raise SystemExit('was run')")
    with pytest.raises(ModelError, match="--trust-remote-code"):
        open_folder(tmp_path)


def test_unknown_options_are_refused(small_clip):
    with pytest.raises(ModelError, match="revision"):
        open_folder(small_clip, revison="main")


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_a_network_in_memory_is_as_the_adapter_makes_it(kind: str, small_clip: Path, siglip_folder: Path) -> None:
    folder = small_clip if kind == "clip" else siglip_folder
    loaded: Any = open_folder(folder)
    network = transformers.AutoModel.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    image = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))
    texts = ["a", "b b"]
    reduced = deepcopy(network).bfloat16()
    with undisturbed([network]), torch.inference_mode():
        given: Any = as_model(network, processor, tokenizer).load()
        pixels = given.preprocess(image)[None]
        assert given.capabilities.keys() == loaded.capabilities.keys()
        assert given.identity.weights_sha256 == loaded.identity.weights_sha256
        assert (given.logit_scale, given.logit_bias) == (loaded.logit_scale, loaded.logit_bias)
        assert torch.equal(given.encode_image(pixels), loaded.encode_image(loaded.preprocess(image)[None]))
        assert torch.equal(given.encode_text(texts), loaded.encode_text(texts))
        half: Any = as_model(reduced, processor, tokenizer).load()
        assert (half.encode_image(pixels) * given.encode_image(pixels.bfloat16()).float()).sum() > 0.99
        assert ((half.encode_text(texts) * loaded.encode_text(texts)).sum(dim=1) > 0.98).all()
    assert network.training is False and all(parameter.requires_grad for parameter in network.parameters())
    network.config.model_type = "unheard-of"
    with pytest.raises(UsageError, match="how the model type 'unheard-of' of transformers pads its texts"):
        as_model(network, processor, tokenizer)


def test_weights_of_16_bits_are_why_no_tower_gives_gradients(small_clip: Path) -> None:
    network = transformers.AutoModel.from_pretrained(small_clip)
    tokenizer = transformers.AutoTokenizer.from_pretrained(small_clip)
    processor = transformers.AutoImageProcessor.from_pretrained(small_clip)
    short = deepcopy(network).bfloat16()
    with undisturbed([network, short]):
        whole, half = (as_model(each, processor, tokenizer).load() for each in (network, short))
        for name in ("coop", "vpt", "clip-lora"):
            assert lacks_needs(METHODS.get(name), whole) is None
            reason = lacks_needs(METHODS.get(name), half)
            assert reason is not None and "which this model does not offer with weights of 16 bits" in reason
    other = lacks_needs(METHODS.get("coop"), toy())
    assert other is not None and "16 bits" not in other
