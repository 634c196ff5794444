"""Small seeded architectures: real code paths of the libraries, a few layers each, nothing fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from models import tiny_weights
from models.tiny import image_of_mode

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions
from vlmbench.models.open_clip.adapter import OpenClipModel, load


@pytest.fixture(scope="session")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tiny architectures' config files."""
    return tmp_path_factory.mktemp("configs")


@pytest.fixture(autouse=True)
def tiny_architectures(monkeypatch: pytest.MonkeyPatch, configs: Path) -> None:
    """open_clip knows the tiny architectures."""
    tiny_weights.make_known(monkeypatch, configs)


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of transformers with a few words. Reading the 49,408 of CLIP's own takes half a second."""
    from models import checkpoints

    return checkpoints.clip(tmp_path_factory.mktemp("clip"))


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
        return tiny_weights.write_weights(architecture, tmp_path / file_name, **extra)

    return write


@pytest.fixture
def tagged(monkeypatch: pytest.MonkeyPatch, write_weights: Callable[..., Path]) -> Iterator[Path]:
    """Two published weights of ``tiny``: "openai", trained with QuickGELU, and "laion"; both are one local file."""
    file = write_weights("tiny", "published.safetensors")
    tiny_weights.publish(monkeypatch, file)
    yield file


@pytest.fixture(params=["RGB", "L", "LA", "P", "P-transparent", "RGBA", "CMYK", "I;16", "1", "EXIF"])
def odd_image(request: pytest.FixtureRequest) -> PIL.Image.Image:
    return image_of_mode(request.param)
