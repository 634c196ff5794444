"""Text towers of the transformers library inside open_clip's networks: padding is cut off where that is exact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import open_clip.factory
import pytest
import torch
from models.tiny import VISION, assert_counts_tokens, prefix_difference, shaken
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.features.progress import Silent
from vlmbench.features.texts.encode import encode_texts
from vlmbench.models.base import LoadOptions, PackedTextEncoder, PrefixTextEncoder, capability
from vlmbench.models.open_clip.adapter import OpenClipModel, load
from vlmbench.models.open_clip.text import token_reader

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.checkpoints import TEXT, bert_tokenizer, roberta_tokenizer  # noqa: E402  (after the skip)

T5 = {"d_model": 32, "d_ff": 64, "num_layers": 2, "num_heads": 2, "d_kv": 16, "vocab_size": 12}
M2M = {
    **{"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 2, "encoder_ffn_dim": 64},
    **{"decoder_layers": 1, "decoder_attention_heads": 2, "decoder_ffn_dim": 64, "vocab_size": 12},
}
TOWERS: dict[str, tuple[Any, Any, str]] = {
    "roberta": (lambda: transformers.RobertaConfig(**TEXT, vocab_size=12), roberta_tokenizer, "mean_pooler"),
    "xlm-roberta": (lambda: transformers.XLMRobertaConfig(**TEXT, vocab_size=12), roberta_tokenizer, "mean_pooler"),
    "bert": (lambda: transformers.BertConfig(**TEXT, vocab_size=10), bert_tokenizer, "cls_pooler"),
    "bert-last-hidden": (
        lambda: transformers.BertConfig(**TEXT, vocab_size=10),
        bert_tokenizer,
        "cls_last_hidden_state_pooler",
    ),
    "mt5": (lambda: transformers.MT5Config(**T5, pad_token_id=1), roberta_tokenizer, "mean_pooler"),
    "m2m_100": (lambda: transformers.M2M100Config(**M2M, pad_token_id=1), roberta_tokenizer, "cls_pooler"),
}
TEXTS = ["a photo of a cat", "dog", "", "a photo of", "cat " * 60, "猫 unknown words", "a photo of a dog a dog a dog"]


def network(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch, **text: Any) -> OpenClipModel:
    """A seeded network whose text tower is one of the library's, through a configuration as open_clip reads it."""
    config, tokenizer, pooler = TOWERS[kind]
    tower = folder / "tower"
    config().save_pretrained(tower)
    tokenizer().save_pretrained(tower)
    described = {
        "hf_model_name": str(tower),
        "hf_tokenizer_name": str(tower),
        "hf_model_pretrained": False,
        "hf_pooler_type": pooler,
        "hf_proj_type": "mlp",
        "context_length": 20,
        **text,
    }
    content = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": described, "custom_text": True}
    (folder / "configs").mkdir()
    (folder / "configs" / "tiny-hf.json").write_text(json.dumps(content))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIG_PATHS", list(open_clip.factory._MODEL_CONFIG_PATHS))
    monkeypatch.setattr(open_clip.factory, "_MODEL_CONFIGS", dict(open_clip.factory._MODEL_CONFIGS))
    open_clip.add_model_config(folder / "configs")
    card = ModelCard(name="model", adapter="open_clip", spec="tiny-hf", options={"random_seed": 2})
    return shaken(load(card, LoadOptions(offline=True)))


@pytest.mark.parametrize("kind", TOWERS)
def test_cut_texts_have_the_plain_features(kind, tmp_path, monkeypatch):
    model = network(tmp_path, kind, monkeypatch)
    assert capability(model, PrefixTextEncoder) is not None and capability(model, PackedTextEncoder) is None
    assert prefix_difference(model, TEXTS) < 1e-6
    with torch.inference_mode():
        plain = torch.cat([model.encode_text([text]) for text in TEXTS])
        library: Tensor = model.network.encode_text(open_clip.get_tokenizer("tiny-hf")(TEXTS), normalize=True)
    torch.testing.assert_close(plain, library, rtol=0, atol=1e-6)
    for batch_size in (1, 3, 256):
        ours, _ = encode_texts(model, TEXTS, precision="fp32", space=None, progress=Silent(), batch_size=batch_size)
        torch.testing.assert_close(ours, plain, rtol=0, atol=1e-6)
    assert len(torch.unique(plain.round(decimals=3), dim=0)) >= 5  # the texts are told apart, so the test can fail


@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize("clean", ["whitespace", "canonicalize"])
def test_too_long_texts_are_counted_as_the_library_does(kind, clean, tmp_path, monkeypatch):
    model = network(tmp_path, kind, monkeypatch, tokenizer_kwargs={"clean": clean})
    tokenizer = open_clip.get_tokenizer("tiny-hf")

    def uncut(text: str) -> int:
        return len(tokenizer.tokenizer(tokenizer.clean_fn(text))["input_ids"])

    assert tokenizer.clean_fn("A  b!") == ("a b" if clean == "canonicalize" else "A b!")
    assert_counts_tokens(model, 20, uncut)


def test_the_clips_mode_puts_three_tokens_around_a_text(tmp_path, monkeypatch):
    model = network(tmp_path, "roberta", monkeypatch)
    tokenizer = open_clip.get_tokenizer("tiny-hf")
    tokenizer.tokenizer.cls_token, tokenizer.tokenizer_mode = "<s>", "clips"
    reader = token_reader(tokenizer)
    fits, cut = "cat " * 17, "cat " * 18
    assert reader is not None and reader.token_counts([fits, cut]) == [20, 21]
    assert torch.equal(tokenizer([fits]), tokenizer([cut])) and not torch.equal(
        tokenizer(["cat " * 16 + "dog"]), tokenizer([fits])
    )
    assert token_reader(object()) is None and model.capabilities["TokenReader"] is not None


def test_padding_on_the_left_takes_the_plain_path(tmp_path, monkeypatch):
    tokenizer = roberta_tokenizer()
    tokenizer.padding_side = tokenizer.init_kwargs["padding_side"] = "left"
    config, _, pooler = TOWERS["roberta"]
    monkeypatch.setitem(TOWERS, "roberta", (config, lambda: tokenizer, pooler))
    model = network(tmp_path, "roberta", monkeypatch)
    assert not {"PrefixTextEncoder", "PackedTextEncoder"} & set(model.capabilities)
    ours, _ = encode_texts(model, TEXTS, precision="fp32", space=None, progress=Silent(), batch_size=2)
    with torch.inference_mode():
        torch.testing.assert_close(ours, model.encode_text(TEXTS), rtol=0, atol=1e-6)
