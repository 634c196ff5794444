"""Activation and image transform: what is corrected, what is assumed, and that it is told."""

from __future__ import annotations

import json
from functools import partial

import open_clip
import pytest
import torch
from models.tiny import CONFIG, assert_same_features
from open_clip.transformer import QuickGELU
from said import remarked, sentences

from vlmbench.errors import UnknownNameError
from vlmbench.models.open_clip.activation_and_transform import choose_activation
from vlmbench.models.open_clip.pretrained import Facts, evident_name, facts_of_file, facts_of_tag
from vlmbench.models.open_clip.spec import Source, parse_spec
from vlmbench.models.towers.checkpoint_file import read_checkpoint


def uses_quickgelu(model) -> bool:
    return any(isinstance(module, QuickGELU) for module in model.network.modules())


def test_the_activation_changes_features(open_model):
    """Else none of this would matter."""
    quick, plain = open_model("tiny-quickgelu", random_seed=0), open_model("tiny", random_seed=0)
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert (quick.encode_image(pixels) - plain.encode_image(pixels)).abs().max() > 1e-4


def test_tag_corrects_the_plain_architecture(tagged, open_model):
    model, (said,) = remarked(lambda: open_model("tiny/openai"))
    assert uses_quickgelu(model)
    assert said.code == "activation-corrected" and "tiny/openai" in said.text and "QuickGELU" in said.text
    # The architecture that says so itself needs no word, and is the same model.
    named, nothing = remarked(lambda: open_model("tiny-quickgelu/openai"))
    assert not nothing
    assert named.identity.architecture == model.identity.architecture
    with torch.inference_mode():
        expected = open_clip.create_model("tiny-quickgelu", pretrained=str(tagged)).eval()
        tokens = open_clip.get_tokenizer("tiny")(["a cat"])
        assert_same_features(model.encode_text(["a cat"]), expected.encode_text(tokens, normalize=True))


def test_tag_without_the_mark_keeps_the_architecture(tagged, open_model):
    model, said = remarked(lambda: open_model("tiny/laion"))
    assert not uses_quickgelu(model) and not said


def test_tag_brings_its_image_transform(tagged, open_model):
    assert "mean=(0.4, 0.5, 0.6)" in open_model("tiny/laion").identity.preprocess
    assert "mean=[0.0, 0.5, 0.6]" in open_model("tiny/laion", image_mean=[0.0, 0.5, 0.6]).identity.preprocess


@pytest.mark.parametrize(("spec", "options"), [("tiny/openai", {"quick_gelu": False})])
def test_contradicting_the_table_is_told(tagged, open_model, spec, options):
    model, said = remarked(lambda: open_model(spec, **options))
    assert not uses_quickgelu(model)
    assert said[0].code == "activation-mismatch" and said[0].unranked


def test_tag_of_the_other_activation_only(tagged):
    with pytest.raises(UnknownNameError, match="It is a tag of tiny"):
        parse_spec("tiny-quickgelu/laion")


@pytest.mark.parametrize(
    ("file", "quick", "said"),
    [
        ("vit-openai.pt", True, "corrected"),
        ("DFN5B-finetuned.safetensors", True, "corrected"),
        ("metaclip_h14.pt", True, "corrected"),
        ("tiny-laion-e32.pt", False, None),
        ("my_laion_run.pt", False, None),
        ("epoch_12.pt", False, "assumed"),
        ("laion_from_openai.pt", False, "assumed"),
    ],
)
def test_local_file_names_as_evidence(file, quick, said, tagged, open_model, write_weights):
    model, remarks = remarked(lambda: open_model(f"tiny/{write_weights('tiny', file)}"))
    assert uses_quickgelu(model) is quick
    about = [remark.code for remark in remarks if remark.code.startswith("activation")]
    assert about == ([f"activation-{said}"] if said else [])


def test_what_was_assumed_can_be_settled(open_model, write_weights):
    path = write_weights("tiny", "epoch_12.pt")
    (said,) = sentences(lambda: open_model(f"tiny/{path}"))
    assert "tiny-quickgelu" in said and "quick_gelu: true" in said
    for spec, options, quick in [
        (f"tiny/{path}", {"quick_gelu": True}, True),
        (f"tiny/{path}", {"quick_gelu": False}, False),
        (f"tiny-quickgelu/{path}", {}, True),
    ]:
        model, nothing = remarked(partial(open_model, spec, **options))
        assert uses_quickgelu(model) is quick and not nothing


def test_suffix_against_the_files_name(tagged, open_model, write_weights):
    model, said = remarked(lambda: open_model(f"tiny-quickgelu/{write_weights('tiny', 'my_laion_run.pt')}"))
    assert uses_quickgelu(model)
    assert said[0].code == "activation-mismatch"


def test_training_runs_name_as_evidence(open_model, write_weights):
    path = write_weights("tiny", "epoch_1.pt", name="2024_01_01-model_tiny-quickgelu-lr_0.001", epoch=1)
    model, said = remarked(lambda: open_model(f"tiny/{path}"))
    assert uses_quickgelu(model) and "training run" in said[0].text


def test_config_beside_the_file_as_evidence(open_model, write_weights):
    path = write_weights("tiny", "weights/epoch_1.pt")
    beside = path.parent / "open_clip_config.json"
    beside.write_text(json.dumps({"model_cfg": {**CONFIG, "quick_gelu": True}, "preprocess_cfg": {"mean": [0, 0, 0]}}))
    model, said = remarked(lambda: open_model(f"tiny/{path}"))
    assert uses_quickgelu(model)
    assert [remark.code for remark in said] == ["activation-corrected", "transform-taken"]
    assert "mean=[0, 0, 0]" in model.identity.preprocess
    # Another model's config says nothing of this file.
    beside.write_text(json.dumps({"model_cfg": {**CONFIG, "embed_dim": 99, "quick_gelu": True}}))
    assert not uses_quickgelu(open_model(f"tiny/{path}"))
    beside.write_text("{")
    assert not uses_quickgelu(open_model(f"tiny/{path}"))


def test_local_file_takes_the_transform_that_all_published_weights_share(tagged, open_model, write_weights):
    model, (said,) = remarked(lambda: open_model(f"tiny/{write_weights('tiny', 'epoch_1.pt')}", quick_gelu=False))
    assert "mean=(0.4, 0.5, 0.6)" in model.identity.preprocess
    assert said.sentence == (
        "the image transform was taken from all of open_clip's weights for tiny and is not open_clip's default"
    )


REAL = [
    ("ViT-B-32", "/w/models--timm--vit_base_patch32_clip_224.openai/snapshots/0/open_clip_model.safetensors", True),
    ("ViT-B-32", "/w/vit_b_32-quickgelu-laion400m_e31-d867053b.pt", True),
    ("ViT-B-32", "/w/b32_400m.pt", True),
    ("ViT-B-32", "/w/CLIP-ViT-B-32-laion2B-s34B-b79K/open_clip_pytorch_model.bin", False),
    ("ViT-B-32", "/w/ViT-B-32.pt", None),
    ("ViT-H-14", "/w/DFN5B-CLIP-ViT-H-14/open_clip_pytorch_model.bin", True),
    ("ViT-L-14", "/w/dfn2b_s39b.safetensors", False),
    ("roberta-ViT-B-32", "/w/roberta-laion2b_s12b_b32k.bin", True),
]


@pytest.mark.parametrize(("architecture", "path", "quick"), REAL)
def test_names_of_published_files(architecture, path, quick, tmp_path):
    assert facts_of_file(architecture, tmp_path / path.lstrip("/")).quick_gelu is quick


def test_local_siglip_weights_are_not_prepared_like_openais(tmp_path):
    facts = facts_of_file("ViT-B-16-SigLIP", tmp_path / "weights.safetensors")
    assert (facts.preprocess["mean"], facts.preprocess["resize_mode"]) == ((0.5, 0.5, 0.5), "squash")


def test_transforms_that_differ_are_not_guessed(tmp_path):
    """Published ViT-L-14 weights have two normalisations, so a nameless file's is unknown."""
    assert not facts_of_file("ViT-L-14", tmp_path / "epoch_1.pt").preprocess


def test_every_tag_of_the_table_gets_the_activation_it_was_trained_with():
    for architecture, tag in open_clip.list_pretrained():
        configured = bool((open_clip.get_model_config(architecture) or {}).get("quick_gelu"))
        forced = choose_activation(Source(architecture, tag=tag), configured, None, facts_of_tag(architecture, tag))
        used = configured if forced is None else forced
        marked = bool(open_clip.get_pretrained_cfg(architecture, tag).get("quick_gelu"))
        # The one architecture whose own config says QuickGELU without its name saying so.
        assert used == (marked or architecture == "roberta-ViT-B-32"), (architecture, tag)


def test_no_evidence_no_twin_no_note(tmp_path):
    source = Source("ViT-B-16-SigLIP", path=tmp_path / "w.pt")
    assert remarked(lambda: choose_activation(source, False, None, Facts())) == (None, [])


def test_evident_name_of_a_file_called_like_every_other(tmp_path):
    assert evident_name(tmp_path / "My-Weights.v2" / "model.safetensors") == "my_weights_v2"
    assert evident_name(tmp_path / "My-Weights.v2" / "epoch-3.pt") == "epoch_3"


def test_a_checkpoint_keeps_the_run_name(write_weights):
    assert read_checkpoint(write_weights("tiny", "w.pt", name="run-quickgelu")).run_name == "run-quickgelu"
