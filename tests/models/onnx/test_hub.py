"""A repository of the hub: only the files that are needed are fetched, and afterwards it loads offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import onnx
import pytest
from data.hub_server import Hub, running_hub
from models.onnx.exported import copied, open_onnx

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions
from vlmbench.models.onnx.adapter import load
from vlmbench.models.onnx.model import OnnxModel


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that the library asks, with an empty cache."""
    with running_hub() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("vlmbench.models.onnx.checkpoint.HfApi", lambda: huggingface_hub.HfApi(endpoint=hub.url))
        yield hub


def opened(spec: str, *, offline: bool = False, **options: object) -> OnnxModel:
    return load(ModelCard(name="model", adapter="onnx", spec=spec, options=options), LoadOptions(offline=offline))


def content(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_repository(hub: Hub, clip_pair: Path, tmp_path: Path) -> None:
    folder = copied(clip_pair, tmp_path / "repository")
    graph = folder / "onnx" / "vision_model.onnx"
    onnx.save(onnx.load(graph), graph, save_as_external_data=True, location=f"{graph.name}_data", size_threshold=0)
    unwanted = {"onnx/vision_model_fp16.onnx": b"x", "onnx/text_model_fp16.onnx": b"x", "model.safetensors": b"x"}
    commit = hub.repo("org/model").commit(content(folder) | unwanted)
    model = opened("org/model")
    assert model.identity.revision == commit
    assert model.identity.weights_sha256 == open_onnx(folder).identity.weights_sha256
    assert not set(unwanted) & set(hub.fetched()) and "onnx/vision_model.onnx_data" in hub.fetched()
    asked = len(hub.requests)
    again = opened("org/model", offline=True)
    assert len(hub.requests) == asked and again.identity == model.identity
    with pytest.raises(ModelError, match=r"not in this machine's cache: the files of org/other"):
        opened("org/other", offline=True)


def test_a_variant_that_alone_is_in_the_cache(hub: Hub, clip_pair: Path, tmp_path: Path) -> None:
    """Offline, the cache must not answer with another model than the hub would."""
    folder = copied(clip_pair, tmp_path / "repository")
    for name in ("vision_model", "text_model"):
        graph = folder / "onnx" / f"{name}.onnx"
        graph.with_name(f"{name}_fp16.onnx").write_bytes(graph.read_bytes())
    hub.repo("org/several").commit(content(folder))
    opened("org/several", variant="fp16")
    with pytest.raises(ModelError, match=r"cache has only the variant 'fp16' of the graphs of org/several"):
        opened("org/several", offline=True)
    assert opened("org/several", offline=True, variant="fp16").embedding_dim == 24


def test_a_repository_that_does_not_exist(hub: Hub) -> None:
    with pytest.raises(ModelError, match=r"cannot fetch the files of org/nothing"):
        opened("org/nothing")
