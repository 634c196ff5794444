"""What a model's texts need is said before anything is fetched or built."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from missing_packages import without_packages

from vlmbench.cards import ModelCard
from vlmbench.errors import MissingDependencyError
from vlmbench.models.base import LoadOptions
from vlmbench.models.open_clip import adapter
from vlmbench.models.open_clip.libraries import refuse_without_libraries
from vlmbench.models.open_clip.spec import parse_spec


@pytest.mark.parametrize("spec", ["ViT-B-16-SigLIP/webli", "roberta-ViT-B-32/laion2b_s12b_b32k"])
def test_towers_and_tokenizers_of_transformers_are_refused_without_it(
    spec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(*_: object, **__: object) -> None:
        raise AssertionError("something was built or fetched")

    monkeypatch.setattr(adapter, "build", build)
    with without_packages("transformers"), pytest.raises(MissingDependencyError, match="transformers") as caught:
        adapter.load(ModelCard(name="m", adapter="open_clip", spec=spec), LoadOptions())
    assert caught.value.hint == "pip install 'vlmbench[transformers]'"


@pytest.mark.parametrize("spec", ["ViT-B-32/openai", "RN50/openai", "package:vlmbench/demo/checkpoint"])
def test_others_are_not(spec: str) -> None:
    with without_packages("transformers", "tokenizers"):
        refuse_without_libraries(parse_spec(spec, None))


def test_a_folder_is_judged_by_its_config(tmp_path: Path) -> None:
    def refused(content: object) -> bool:
        (tmp_path / "open_clip_config.json").write_text(json.dumps(content))
        try:
            with without_packages("transformers"):
                refuse_without_libraries(parse_spec(f"local-dir:{tmp_path}", None))
        except MissingDependencyError:
            return True
        return False

    assert refused({"model_cfg": {"text_cfg": {"hf_tokenizer_name": "bert-base"}}})
    assert refused({"model_cfg": {"text_cfg": {"hf_model_name": "roberta-base"}}})
    assert not refused({"model_cfg": {"text_cfg": {"width": 512}}})
    assert not refused({"model_cfg": []}) and not refused([])
