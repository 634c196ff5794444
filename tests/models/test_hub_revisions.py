"""The revision of a hub repository that was fetched is known to the model, and shards are fetched: on a small hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
from data.hub_server import Hub, running_hub
from models.tiny import CONFIG
from safetensors.torch import load_file
from safetensors.torch import save as save_bytes

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import fetched_revision
from vlmbench.models.open_clip.adapter import OpenClipModel, load
from vlmbench.records import ModelInfo
from vlmbench.testing.toy_records import make_record


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running hub that the library asks, with an empty cache."""
    with running_hub() as hub:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.url)
        if find_spec("transformers"):  # it keeps a client with the address that it knew first
            monkeypatch.setattr("transformers.utils.hub._hf_api", None, raising=False)
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
        content[file] = save_bytes({name: state[name] for name in part})
    places = {name: file for file, part in parts.items() for name in part}
    content["open_clip_model.safetensors.index.json"] = json.dumps({"weight_map": places}).encode()
    commit = hub.repo("org/model").commit(content)
    model = opened("hf-hub:org/model")
    assert model.identity.weights_sha256 == opened(f"tiny/{path}").identity.weights_sha256
    assert model.identity.revision == commit
    hub.repo("org/other").commit(content)
    hub.failing["org/other/resolve/main/b.safetensors"] = 403
    with pytest.raises(ModelError, match=r"cannot fetch the weights of hf-hub:org/other: "):
        opened("hf-hub:org/other")


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


def test_a_repository_of_transformers(hub, tmp_path: Path):
    transformers = pytest.importorskip("transformers")
    from models.checkpoints import CLIP_TEXT, VISION, clip_processor, save, small_clip_tokenizer

    from vlmbench.models.transformers.adapter import load as load_transformers

    config = transformers.CLIPConfig(text_config=CLIP_TEXT, vision_config=VISION, projection_dim=24)
    folder = save(tmp_path / "clip", transformers.CLIPModel(config), small_clip_tokenizer(), clip_processor(32))
    content = {file.name: file.read_bytes() for file in folder.iterdir()}
    commit = hub.repo("org/clip").commit(content)
    card = ModelCard(name="model", adapter="transformers", spec="org/clip")
    assert load_transformers(card, LoadOptions()).identity.revision == commit
    assert load_transformers(card, LoadOptions(offline=True)).identity.revision == commit
    weights = load_file(folder / "model.safetensors")
    weights["text_projection.weight"] = weights["text_projection.weight"].to(torch.int8)
    hub.repo("org/int8").commit({**content, "model.safetensors": save_bytes(weights, metadata={"format": "pt"})})
    with pytest.raises(ModelError, match=r"org/int8: 1 weight is quantised to integers .*text_projection"):
        load_transformers(ModelCard(name="model", adapter="transformers", spec="org/int8"), LoadOptions())
    hub.repo("org/tuned").commit({**content, "adapter_config.json": b"{}"})
    with pytest.raises(ModelError, match=r"org/tuned: the repository holds an adapter[\s\S]*merge_and_unload"):
        load_transformers(ModelCard(name="model", adapter="transformers", spec="org/tuned"), LoadOptions())


def test_the_record_has_a_revision_if_there_is_one():
    info = make_record().model
    assert "revision" not in info.model_dump()
    fetched = info.model_copy(update={"revision": "0123abc"})
    assert ModelInfo.model_validate_json(fetched.model_dump_json()).revision == "0123abc"
