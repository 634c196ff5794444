"""Small seeded checkpoints of more dual encoders of transformers, saved by the library as it saves real ones."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from models.checkpoints import (
    BERT_WORDS,
    CLIP_TEXT,
    TEXT,
    VISION,
    WORDS,
    bert_tokenizer,
    clip_processor,
    roberta_tokenizer,
    save,
    small_clip_tokenizer,
    word_tokenizer,
)

CODE = Path(__file__).with_name("own_encoder.py")
PATCHES = 24
"""The most patches of 8 x 8 pixels of an image for :func:`siglip2`. Images of other shapes have fewer."""


def siglip2(folder: Path) -> Path:
    text = {**TEXT, "vocab_size": 35, "max_position_embeddings": 16, "projection_size": 32}
    vision = {**TEXT, "patch_size": 8, "num_patches": 16}
    config = transformers.Siglip2Config(text_config=text, vision_config=vision)
    processor = transformers.Siglip2ImageProcessor(patch_size=8, max_num_patches=PATCHES)
    return save(folder, transformers.Siglip2Model(config), siglip2_tokenizer(), processor)


def siglip2_tokenizer() -> Any:
    """Lower-case letters and a word, as the library's conversion sets it: <eos> after a text, padded at the right."""
    from tokenizers import processors

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *"abcdefghijklmnopqrstuvwxyz", "ca", "cat", "▁cat"]
    tokenizer = transformers.Siglip2Tokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        merges=[("c", "a"), ("ca", "t"), ("▁", "cat")],
        padding_side="right",
        model_input_names=["input_ids"],
    )
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", special_tokens=[("<eos>", 1)]
    )
    return tokenizer


def siglip(folder: Path) -> Path:
    text = {**TEXT, "vocab_size": 2 + len(WORDS), "max_position_embeddings": 16, "projection_size": 32}
    config = transformers.SiglipConfig(text_config=text, vision_config=VISION)
    processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    return save(folder, transformers.SiglipModel(config), word_tokenizer(lowercase=True), processor)


def aimv2(folder: Path) -> Path:
    text = {name: value for name, value in CLIP_TEXT.items() if name != "bos_token_id"}
    config = transformers.Aimv2Config(text_config=text, vision_config=VISION, projection_dim=24)
    network = transformers.Aimv2Model(config)
    with torch.no_grad():
        network.logit_scale.fill_(5.0)  # exp(5) is above the most, 100
    return save(folder, network, small_clip_tokenizer(), clip_processor(32))


def tipsv2(folder: Path) -> Path:
    """The temperature is not in the file, as in published ones."""
    from safetensors.torch import load_file, save_file

    text = {**TEXT, "vocab_size": 2 + len(WORDS), "max_position_embeddings": 16}
    vision = {**TEXT, "image_size": 32, "patch_size": 16}
    config = transformers.Tipsv2Config(text_config=text, vision_config=vision, temperature_init_value=0.02)
    processor = transformers.Tipsv2ImageProcessor(size={"height": 32, "width": 32})
    save(folder, transformers.Tipsv2Model(config), tips_tokenizer(), processor)
    file = folder / "model.safetensors"
    weights = load_file(file)
    del weights["temperature"]
    save_file(weights, file, metadata={"format": "pt"})
    return folder


def tips_tokenizer() -> Any:
    """Whole words, padded with the first, and nothing around a text."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    words = {word: index for index, word in enumerate(["<pad>", "<unk>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.normalizer = normalizers.Lowercase()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")


def vit_bert(folder: Path) -> Path:
    vision = transformers.ViTConfig(**VISION)
    text = transformers.BertConfig(**TEXT, vocab_size=len(BERT_WORDS), max_position_embeddings=20)
    return _joined(folder, vision, text, bert_tokenizer())


def clip_roberta(folder: Path) -> Path:
    """The text tower counts positions from the id of the padding: 22 positions are 20 tokens."""
    vision = transformers.CLIPVisionConfig(**VISION)
    text = transformers.RobertaConfig(
        **TEXT, vocab_size=4 + len(WORDS), max_position_embeddings=22, pad_token_id=1, bos_token_id=0, eos_token_id=2
    )
    return _joined(folder, vision, text, roberta_tokenizer())


def vit_distilbert(folder: Path) -> Path:
    text = transformers.DistilBertConfig(
        vocab_size=len(BERT_WORDS), dim=32, n_layers=1, n_heads=2, hidden_dim=64, max_position_embeddings=20
    )
    return _joined(folder, transformers.ViTConfig(**VISION), text, bert_tokenizer())


def _joined(folder: Path, vision: Any, text: Any, tokenizer: Any) -> Path:
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(vision, text, projection_dim=24)
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 32})
    return save(folder, transformers.VisionTextDualEncoderModel(config), tokenizer, processor)


def blip_config() -> Any:
    text = {**TEXT, "vocab_size": len(BERT_WORDS), "max_position_embeddings": 64, "bos_token_id": 2, "pad_token_id": 0}
    return transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=20, image_text_hidden_size=24)


def blip(folder: Path, kind: str = "BlipForImageTextRetrieval") -> Path:
    processor = transformers.BlipImageProcessor(size={"height": 32, "width": 32})
    return save(folder, getattr(transformers, kind)(blip_config()), bert_tokenizer(), processor)


FRAMES = 4
"""The number of frames of a clip for :func:`x_clip`."""


def x_clip(folder: Path) -> Path:
    vision = {
        **VISION,
        "num_frames": FRAMES,
        "mit_hidden_size": 24,
        "mit_intermediate_size": 48,
        "mit_num_hidden_layers": 1,
        "mit_num_attention_heads": 2,
    }
    config = transformers.XCLIPConfig(
        text_config=CLIP_TEXT, vision_config=vision, projection_dim=24, prompt_num_attention_heads=2, prompt_alpha=1.0
    )
    return save(folder, transformers.XCLIPModel(config), small_clip_tokenizer(), clip_processor(32))


def own_folder(folder: Path, way: str = "right", kind: str = "OwnEncoder") -> Path:
    """A saved network with its own code, as a hub repository holds it."""
    spec = importlib.util.spec_from_file_location("own_encoder", CODE)
    assert spec is not None and spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(0)
    network = getattr(module, kind)(module.OwnConfig(way=way))
    for parameter in network.parameters():
        if parameter.ndim:
            parameter.data.normal_()
    network.save_pretrained(folder)
    tokenizer = small_clip_tokenizer()
    tokenizer.model_max_length = 12
    tokenizer.save_pretrained(folder)
    clip_processor(32).save_pretrained(folder)
    shutil.copy(CODE, folder)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own_encoder.OwnConfig", "AutoModel": f"own_encoder.{kind}"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def own_modules(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the library copy a repository's code into this folder, and not into the user's."""
    patch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(folder))
    patch.syspath_prepend(str(folder))


def change(file: Path, **entries: Any) -> None:
    """Change entries of a JSON file; None removes one."""
    held = json.loads(file.read_text())
    file.write_text(json.dumps({key: value for key, value in {**held, **entries}.items() if value is not None}))
