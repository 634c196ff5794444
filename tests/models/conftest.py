"""Small seeded architectures: real code paths of the libraries, a few layers each, nothing fetched."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import open_clip
import open_clip.factory
import open_clip.pretrained
import PIL.Image
import pytest
import torch
from models.tiny import ARCHITECTURES, image_of_mode

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions
from vlmbench.models.open_clip.adapter import OpenClipModel, load

# Reading the merges takes half a second, and every model has a tokenizer.
SIMPLE_TOKENIZER = functools.cache(open_clip.SimpleTokenizer)


@pytest.fixture(autouse=True)
def tiny_architectures(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """open_clip knows the tiny architectures, each through a config file, as it learns of a user's own."""
    folder = tmp_path_factory.mktemp("configs")
    for name, config in ARCHITECTURES.items():
        (folder / f"{name}.json").write_text(json.dumps(config))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    open_clip.add_model_config(folder)
    monkeypatch.setattr(open_clip.factory, "SimpleTokenizer", SIMPLE_TOKENIZER)


@pytest.fixture
def make_card() -> Callable[..., ModelCard]:
    def make(spec: str, adapter: str = "open_clip", **options: Any) -> ModelCard:
        return ModelCard(name="model", adapter=adapter, spec=spec, options=options)

    return make


@pytest.fixture
def open_model(make_card: Callable[..., ModelCard]) -> Callable[..., OpenClipModel]:
    """Load through the open_clip adapter, offline: ``open_model("tiny/file.pt", quick_gelu=True)``."""

    def make(spec: str, **options: Any) -> OpenClipModel:
        return load(make_card(spec, **options), LoadOptions(offline=True))

    return make


@pytest.fixture
def write_weights(tmp_path: Path) -> Callable[..., Path]:
    """Write an architecture's seeded weights: ``write_weights("tiny", "name.pt")``."""

    def write(architecture: str, file_name: str, /, **extra: Any) -> Path:
        torch.manual_seed(7)
        network = open_clip.create_model(architecture, pretrained_text=False)
        if (decoder := getattr(network, "text_decoder", None)) is not None:
            # open_clip leaves it as the memory was, which now and then is NaN: not equal to itself.
            torch.nn.init.normal_(decoder.text_projection, std=0.1)
        state = network.state_dict()
        path = tmp_path / file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file(state, path)
        else:
            torch.save({"state_dict": state, **extra} if extra else state, path)
        return path

    return write


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch, write_weights: Callable[..., Path]) -> Iterator[Path]:
    """Two published weights of ``tiny``: "openai", trained with QuickGELU, and "laion"; both are one local file."""
    file = write_weights("tiny", "published.safetensors")
    usual = {"file": str(file), "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4), "interpolation": "bilinear"}
    openai = {**usual, "quick_gelu": True, "url": "https://host.example/tiny.pt"}
    laion = {**usual, "url": "https://host.example/tiny-laion-e32.pt"}
    table = {**open_clip.pretrained._PRETRAINED, "tiny": {"openai": openai, "laion": laion}}
    monkeypatch.setattr(open_clip.pretrained, "_PRETRAINED", table | {"tiny-quickgelu": {"openai": openai}})
    yield file


@pytest.fixture(params=["RGB", "L", "LA", "P", "P-transparent", "RGBA", "CMYK", "I;16", "1", "EXIF"])
def odd_image(request: pytest.FixtureRequest) -> PIL.Image.Image:
    return image_of_mode(request.param)
