"""Specs of the open_clip adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models.open_clip.spec import Source, parse_spec


@pytest.mark.parametrize(
    ("spec", "source"),
    [
        ("ViT-B-32/openai", Source("ViT-B-32", tag="openai")),
        ("ViT-B/32/openai", Source("ViT-B-32", tag="openai")),
        ("ViT-B-32/LAION2B-s34b-b79k", Source("ViT-B-32", tag="LAION2B-s34b-b79k")),
        ("ViT-B-32-quickgelu/openai", Source("ViT-B-32-quickgelu", tag="openai")),
        ("ViT-B-32//abs/w.pt", Source("ViT-B-32", path=Path("/abs/w.pt"))),
        ("ViT-B/32//abs/w.pt", Source("ViT-B-32", path=Path("/abs/w.pt"))),
        ("ViT-B-32/rel/w.safetensors", Source("ViT-B-32", path=Path("rel/w.safetensors"))),
        ("ViT-B-32/openai.pt", Source("ViT-B-32", path=Path("openai.pt"))),
        ("ViT-B-32/~/w.bin", Source("ViT-B-32", path=Path.home() / "w.bin")),
        ("hf-hub:org/repo", Source("hf-hub:org/repo", schema="hf-hub")),
    ],
)
def test_specs(spec, source):
    assert parse_spec(spec) == source


def test_weights_may_be_an_option():
    assert parse_spec("ViT-B-32", "openai") == Source("ViT-B-32", tag="openai")
    with pytest.raises(ModelError, match="Remove one"):
        parse_spec("ViT-B-32/openai", "laion2b_s34b_b79k")


def test_random_weights_have_no_name():
    assert parse_spec("ViT-B-32", seeded=True) == Source("ViT-B-32")
    with pytest.raises(ModelError, match="random_seed"):
        parse_spec("ViT-B-32/openai", seeded=True)


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("VitB32/openai", "ARCH/TAG"),
        ("", "ARCH/TAG"),
        ("ViT-B-32/opnai", "openai"),
        ("ViT-B-16/metaclip_400", "metaclip_400m"),
        ("ViT-L-14/laion2b_s34b_b79k", "It is a tag of ViT-B-32"),
    ],
)
def test_unknown_names(spec, hint):
    with pytest.raises(UnknownNameError) as caught:
        parse_spec(spec)
    assert hint in str(caught.value) and caught.value.exit_code == 2


def test_local_folder(tmp_path):
    with pytest.raises(ModelError, match="does not exist"):
        parse_spec(f"local-dir:{tmp_path / 'absent'}")
    with pytest.raises(ModelError, match="no open_clip_config"):
        parse_spec(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text("{}")
    assert parse_spec(f"local-dir:{tmp_path}").location == str(tmp_path)
    with pytest.raises(ModelError, match="nothing follows"):
        parse_spec("local-dir:")
