"""The revision of a hub repository that was fetched is known to the model, and shards are fetched: on a small hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
from data.hub_server import Hub, running_hub
from models.tiny import CONFIG
from safetensors.torch import load_file, save

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import fetched_revision
from vlmbench.models.open_clip.adapter import OpenClipModel, load


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that the library asks, with an empty cache."""
    with running_hub() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        yield hub


def opened(spec: str, *, offline: bool = False) -> OpenClipModel:
    return load(ModelCard(name="model", adapter="open_clip", spec=spec), LoadOptions(offline=offline))


def files(path: Path) -> dict[str, bytes]:
    return {"open_clip_config.json": json.dumps({"model_cfg": CONFIG}).encode(), path.name: path.read_bytes()}


def test_the_fetched_revision_is_known(hub, write_weights: Callable[..., Path]):
    path = write_weights("tiny", "open_clip_model.safetensors")
    commit = hub.repo("org/model").commit(files(path))
    model = opened("hf-hub:org/model")
    assert model.identity.revision == commit
    assert opened("hf-hub:org/model", offline=True).identity.revision == commit
    local = opened(f"tiny/{path}").identity
    assert local.revision is None and local.weights_sha256 == model.identity.weights_sha256


def test_shards_are_fetched(hub, write_weights: Callable[..., Path]):
    path = write_weights("tiny", "open_clip_model.safetensors")
    state = load_file(path)
    names = list(state)
    parts = {"a.safetensors": names[:9], "b.safetensors": names[9:]}
    content = files(path)
    del content[path.name]
    for file, part in parts.items():
        content[file] = save({name: state[name] for name in part})
    places = {name: file for file, part in parts.items() for name in part}
    content["open_clip_model.safetensors.index.json"] = json.dumps({"weight_map": places}).encode()
    commit = hub.repo("org/model").commit(content)
    model = opened("hf-hub:org/model")
    assert model.identity.weights_sha256 == opened(f"tiny/{path}").identity.weights_sha256
    assert model.identity.revision == commit and model.identity.notes == ()


def test_a_repository_of_open_clip_given_to_transformers(hub):
    transformers = pytest.importorskip("transformers")
    from vlmbench.models.transformers.adapter import load as load_transformers

    assert transformers
    hub.repo("org/model").commit({"open_clip_config.json": b"{}"})
    card = ModelCard(name="model", adapter="transformers", spec="org/model")
    with pytest.raises(ModelError, match=r"no config\.json that transformers knows\n.*open_clip:hf-hub:org/model"):
        load_transformers(card, LoadOptions())


def test_revisions_of_paths():
    cached = Path("/c/hub/models--org--repo/snapshots/0123abc/sub/w.safetensors")
    assert fetched_revision(cached) == "0123abc"
    assert fetched_revision(Path("/c/snapshots/x/w.safetensors")) is None
