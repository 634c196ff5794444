"""The open_clip adapter against open_clip itself, on small seeded networks."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import open_clip
import PIL.Image
import pytest
import torch
from models.tiny import (
    ARCHITECTURES,
    CONFIG,
    PROMPTS,
    SHARING,
    assert_counts_tokens,
    assert_same_features,
    packed_difference,
    prefix_difference,
    shaken,
)
from open_clip.transform import PreprocessCfg, image_transform_v2
from said import remarked, sentences

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.features.progress import Silent
from vlmbench.features.texts.encode import encode_texts
from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, capability
from vlmbench.rgb import as_rgb

CAUSAL = ["tiny", "tiny-quickgelu", "tiny-custom", "tiny-eos", "tiny-bias", "tiny-blocks", "tiny-short", "tiny-scale"]
PACKED = [
    "tiny",
    "tiny-quickgelu",
    "tiny-custom",
    "tiny-eos",
    "tiny-bias",
    "tiny-short",
    "tiny-scale",
    "tiny-class-token",
    "tiny-coca",
]
NOT_CAUSAL = ["tiny-sigmoid", "tiny-last", "tiny-bidirectional", "tiny-class-token", "tiny-coca"]


def library_model(architecture: str, seed: int = 3) -> torch.nn.Module:
    torch.manual_seed(seed)
    return open_clip.create_model(architecture, pretrained_text=False).eval()


@pytest.mark.parametrize("architecture", [*CAUSAL, *NOT_CAUSAL])
def test_features_are_the_librarys(architecture, open_model):
    model, library = open_model(architecture, random_seed=3), library_model(architecture)
    tokens = open_clip.get_tokenizer(architecture)(PROMPTS)
    pixels = torch.randn(3, 3, 32, 32)
    with torch.inference_mode():
        assert_same_features(model.encode_text(PROMPTS), library.encode_text(tokens, normalize=True))
        assert_same_features(model.encode_image(pixels), library.encode_image(pixels, normalize=True))
        assert model.encode_text([]).shape == (0, model.embedding_dim)
    assert model.embedding_dim == CONFIG["embed_dim"]
    assert model.logit_scale == pytest.approx(library.logit_scale.exp().item())
    assert model.logit_bias == (-10.0 if architecture == "tiny-sigmoid" else 0.0)
    assert model.identity.parameters == sum(parameter.numel() for parameter in library.parameters())


def test_features_have_unit_length(open_model):
    model = open_model("tiny", random_seed=0)
    with torch.inference_mode():
        norms = [model.encode_text(PROMPTS).norm(dim=-1), model.encode_image(torch.randn(2, 3, 32, 32)).norm(dim=-1)]
    torch.testing.assert_close(torch.cat(norms), torch.ones(len(PROMPTS) + 2))


def test_zero_shot_head_is_the_librarys(open_model):
    model = open_model("tiny", random_seed=3)
    classes, templates = ["cat", "dog", "猫"], ["a photo of a {}.", "{}"]
    tokenizer = open_clip.get_tokenizer("tiny")
    with torch.inference_mode():
        expected = open_clip.build_zero_shot_classifier(
            library_model("tiny"), tokenizer, classes, [lambda name, t=t: t.format(name) for t in templates]
        )
        ours = torch.stack(
            [model.encode_text([t.format(name) for t in templates]).mean(dim=0) for name in classes], dim=1
        )
    torch.testing.assert_close(torch.nn.functional.normalize(ours, dim=0), expected)


@pytest.mark.parametrize("architecture", CAUSAL)
def test_cut_texts_have_the_plain_features(architecture, open_model):
    model = shaken(open_model(architecture, random_seed=1))
    assert capability(model, PrefixTextEncoder) is not None
    assert prefix_difference(model, PROMPTS) < 1e-6


@pytest.mark.parametrize("architecture", PACKED)
def test_packed_prompts_have_the_plain_features(architecture, open_model):
    model = shaken(open_model(architecture, random_seed=1))
    assert capability(model, PackedTextEncoder) is not None
    assert packed_difference(model, SHARING) < 1e-6


@pytest.mark.parametrize("architecture", sorted({*CAUSAL, *NOT_CAUSAL} - {*PACKED}))
def test_towers_of_other_blocks_and_masks_do_not_offer_packs(architecture, open_model):
    assert "PackedTextEncoder" not in open_model(architecture, random_seed=1).capabilities


@pytest.mark.parametrize("architecture", [*CAUSAL, *NOT_CAUSAL])
def test_the_engine_gives_every_tower_its_plain_features(architecture, open_model):
    model = shaken(open_model(architecture, random_seed=1))
    with torch.inference_mode():
        plain = torch.cat([model.encode_text([text]) for text in SHARING])
    for batch_size in (1, 7, 256):
        ours, _ = encode_texts(model, SHARING, precision="fp32", space=None, progress=Silent(), batch_size=batch_size)
        assert float((ours - plain).abs().max()) < 1e-6, batch_size


def test_lengths_reach_the_end_of_text(open_model):
    prefix = capability(open_model("tiny", random_seed=1), PrefixTextEncoder)
    tokens = prefix.tokenize(["", "a", PROMPTS[3], "two <end_of_text> in one"])
    # start, "a", end; 90 words fill the context; the first of two ends is where the tower reads.
    assert prefix.lengths(tokens).tolist() == [2, 3, 77, 3]
    assert prefix.tokenize([]).shape == (0, 77)


@pytest.mark.parametrize(("architecture", "length"), [("tiny", 77), ("tiny-short", 16), ("tiny-coca", 77)])
def test_too_long_texts_are_counted_as_the_library_does(architecture, length, open_model):
    tokenizer = open_clip.get_tokenizer(architecture)
    assert_counts_tokens(open_model(architecture, random_seed=1), length, lambda text: 2 + len(tokenizer.encode(text)))


@pytest.mark.parametrize("architecture", NOT_CAUSAL)
def test_other_towers_do_not_offer_to_be_cut(architecture, open_model):
    assert "PrefixTextEncoder" not in open_model(architecture, random_seed=1).capabilities


def test_preprocess_is_the_librarys_transform(open_model, odd_image):
    model = open_model("tiny", random_seed=0)
    library = image_transform_v2(PreprocessCfg(size=32), is_train=False)
    assert torch.equal(model.preprocess(odd_image), library(as_rgb(odd_image)))
    assert model.preprocess(odd_image).shape == (3, 32, 32)


def test_exif_orientation_is_not_applied(open_model):
    """As in open_clip: the pixels are taken as they are stored."""
    model = open_model("tiny", random_seed=0)
    plain = PIL.Image.linear_gradient("L").convert("RGB")
    rotated = plain.copy()
    rotated.getexif()[0x0112] = 6
    assert torch.equal(model.preprocess(rotated), model.preprocess(plain))


def test_image_options_reach_the_transform_and_the_identity(open_model):
    plain = open_model("tiny", random_seed=0)
    model = open_model(
        "tiny",
        random_seed=0,
        image_size=64,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        image_interpolation="bilinear",
        image_resize_mode="squash",
    )
    white = PIL.Image.new("RGB", (10, 30), "white")
    assert torch.equal(model.preprocess(white), torch.ones(3, 64, 64))
    assert model.identity.preprocess != plain.identity.preprocess
    for word in ("squash", "bilinear", "(64, 64)", "0.5"):
        assert word in model.identity.preprocess


def test_identity_tells_models_apart(open_model, write_weights):
    one, again, other = (open_model("tiny", random_seed=seed).identity for seed in (0, 0, 1))
    assert one == again
    assert one.weights_sha256 != other.weights_sha256
    quick = open_model("tiny", random_seed=0, quick_gelu=True).identity
    assert (quick.weights_sha256, quick.tokenizer) == (one.weights_sha256, one.tokenizer)
    assert quick.architecture != one.architecture
    assert open_model("tiny-short", random_seed=0).identity.tokenizer != one.tokenizer
    assert {"torch", "pillow", "numpy", "open_clip_torch", "torchvision"} <= set(one.libraries)
    # The same weights are the same model, whatever the file's format and the spec that leads there.
    pt, safe = write_weights("tiny", "a.pt"), write_weights("tiny", "b.safetensors")
    assert open_model(f"tiny/{pt}").identity == open_model(f"tiny/{safe}").identity


def test_random_weights_are_told_and_leave_the_generator_alone(open_model):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    said = sentences(lambda: open_model("tiny", random_seed=3))
    assert torch.equal(torch.rand(1), expected)
    assert any(each.startswith("random-weights: ") for each in said)


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors", "w.bin", "w.pth"])
def test_local_checkpoints_load(name, open_model, write_weights):
    path = write_weights("tiny", name)
    with torch.inference_mode():
        features = open_model(f"tiny/{path}").encode_text(["a cat"])
        library = open_clip.create_model("tiny", pretrained=str(path)).eval()
        expected = library.encode_text(open_clip.get_tokenizer("tiny")(["a cat"]), normalize=True)
    assert torch.equal(features, expected)
    assert torch.equal(open_model("tiny", pretrained=str(path)).encode_text(["a cat"]), features)


def test_training_checkpoint_loads(open_model, write_weights):
    path = write_weights("tiny", "epoch_3.pt", epoch=3, name="run")
    assert open_model(f"tiny/{path}").identity.parameters > 0


def test_local_folder_loads(open_model, write_weights, tmp_path):
    folder = tmp_path / "release"
    path = write_weights("tiny-quickgelu", "release/open_clip_model.safetensors")
    preprocess = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.5, 0.5], "interpolation": "bilinear"}
    config = {"model_cfg": ARCHITECTURES["tiny-quickgelu"], "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    model, said = remarked(lambda: open_model(f"local-dir:{folder}"))
    assert model.identity.architecture == open_model(f"tiny-quickgelu/{path}").identity.architecture
    assert "mean=[0.1, 0.2, 0.3]" in model.identity.preprocess
    assert not said

    shutil.copy(path, folder / "zzz.bin")
    path.rename(folder / "aaa.safetensors")
    with pytest.raises(ModelError):  # a safetensors file called .bin is nothing that can be read
        (folder / "aaa.safetensors").unlink()
        open_model(f"local-dir:{folder}")
    (folder / "zzz.bin").unlink()
    with pytest.raises(ModelError, match="has no weight file"):
        open_model(f"local-dir:{folder}")


def test_several_files_of_the_same_weights_are_no_choice(open_model, write_weights, tmp_path, caplog):
    for name in ("release/b.safetensors", "release/a.safetensors"):
        write_weights("tiny", name)
    (tmp_path / "release" / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    with caplog.at_level(logging.DEBUG):
        caplog.clear()
        assert sentences(lambda: open_model(f"local-dir:{tmp_path / 'release'}")) == []
    assert not caplog.records


def test_stretched_positions_are_told(open_model, write_weights):
    path = write_weights("tiny-large-image", "large.pt")
    said = sentences(lambda: open_model(f"tiny/{path}"))
    assert any("visual.positional_embedding was interpolated" in each and "17" in each for each in said)


def test_unknown_options_are_refused(open_model):
    with pytest.raises(ModelError, match="quick_gelu"):
        open_model("tiny", random_seed=0, quickgelu=True)
    with pytest.raises(ModelError, match="must be of type int"):
        open_model("tiny", random_seed=True)


def test_weights_are_required(open_model):
    with pytest.raises(ModelError, match="names no weights"):
        open_model("ViT-B-32")


def test_offline_says_what_to_fetch(open_model, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"--offline.*\n.*hf download timm/vit_base_patch32_clip_224.openai"):
        open_model("ViT-B-32/openai")
    with pytest.raises(ModelError, match="hf download no-org/no-repo"):
        open_model("hf-hub:no-org/no-repo")


def test_unknown_names_suggest(open_model):
    with pytest.raises(UnknownNameError, match="ViT-B-32"):
        open_model("ViT-B-33/openai")
    with pytest.raises(UnknownNameError, match="laion2b_s34b_b79k"):
        open_model("ViT-B-32/laion2b_s34b_b79")


def test_checkpoint_of_another_architecture(open_model, write_weights):
    path = write_weights("tiny-deep", "deep.pt")
    with pytest.raises(ModelError) as caught:
        open_model(f"tiny/{path}")
    message = str(caught.value)
    assert "does not fit tiny" in message
    assert "visual.positional_embedding is (5, 96), not (5, 64)" in message
    assert "visual.transformer.resblocks.1" in message
    assert "Its shapes fit tiny-deep." in message


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "w.pt", "is empty"),
        (b"not a checkpoint at all", "w.pt", "the torch checkpoint is broken"),
        (b"not a checkpoint at all", "w.safetensors", "the safetensors file is broken"),
        (b"{}", "w.json", "not a known checkpoint format"),
    ],
)
def test_broken_files(content, name, message, open_model, tmp_path):
    path: Path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        open_model(f"tiny/{path}")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_truncated_files(name, open_model, write_weights):
    path = write_weights("tiny", name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match="truncated"):
        open_model(f"tiny/{path}")


def test_missing_file_says_where_it_looked(open_model, write_weights):
    path = write_weights("tiny", "there.pt")
    with pytest.raises(ModelError) as caught:
        open_model(f"tiny/{path.parent}/not-there.pt")
    assert str(path.parent / "not-there.pt") in str(caught.value) and "there.pt" in (caught.value.hint or "")
