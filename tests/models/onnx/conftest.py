"""Small models, exported once for all tests of the onnx adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from models.onnx.test_packages import MISSING

if MISSING:  # test_packages.py is skipped and names them
    collect_ignore_glob = ["test_[!p]*.py"]
else:
    import transformers
    from models.checkpoints import CLIP_TEXT, TEXT, VISION, clip_processor, small_clip_tokenizer, word_tokenizer
    from models.checkpoints import save as save_checkpoint
    from models.onnx.exported import export_demo, export_hub_pair, export_single


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_demo(tmp_path_factory.mktemp("demo-onnx"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A CLIP of transformers and its folder."""
    config = transformers.CLIPConfig(text_config=CLIP_TEXT, vision_config=VISION, projection_dim=24)
    network = transformers.CLIPModel(config).eval()
    network.logit_scale.data.fill_(2.5)
    folder = save_checkpoint(tmp_path_factory.mktemp("clip"), network, small_clip_tokenizer(), clip_processor(32))
    return network, folder


@pytest.fixture(scope="session")
def clip_pair(clip: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_hub_pair(*clip, tmp_path_factory.mktemp("clip-pair"), mask=True)


@pytest.fixture(scope="session")
def clip_single(clip: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_single(*clip, tmp_path_factory.mktemp("clip-single"))


@pytest.fixture(scope="session")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A SigLIP of transformers and its folder."""
    text = {**TEXT, "vocab_size": 10, "max_position_embeddings": 16}
    torch.manual_seed(0)
    network = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=VISION)).eval()
    processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    folder = save_checkpoint(tmp_path_factory.mktemp("siglip"), network, word_tokenizer(lowercase=True), processor)
    return network, folder


@pytest.fixture(scope="session")
def siglip_pair(siglip: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_hub_pair(*siglip, tmp_path_factory.mktemp("siglip-pair"), mask=False, length=16)
