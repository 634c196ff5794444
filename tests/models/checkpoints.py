"""Small seeded checkpoints of transformers families, saved by the library as it saves real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers

from vlmbench.cards import ModelCard
from vlmbench.models.base import LoadOptions
from vlmbench.models.transformers.adapter import load
from vlmbench.models.transformers.model import TransformersModel

TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
VISION = {**TEXT, "image_size": 32, "patch_size": 16}
WORDS = ["a", "photo", "of", "cat", "dog", "A", "Photo", "Cat"]
CLIP_WORDS = ["!", "<unk>", *WORDS, "red", "bus", "tree", "grass", "sky", "road", "<bos>", "<eos>"]
"""Arranged as CLIP's are: the end of text has the highest number, and OWL-ViT pads with the first."""
CLIP_TEXT = {
    **TEXT,
    "vocab_size": len(CLIP_WORDS),
    "bos_token_id": len(CLIP_WORDS) - 2,
    "eos_token_id": len(CLIP_WORDS) - 1,
}
BERT_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS[:5]]


def clip_tokenizer() -> Any:
    """CLIP's own vocabulary, which open_clip carries."""
    simple = open_clip.SimpleTokenizer()
    rename = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {rename.get(token, token): index for token, index in simple.encoder.items()}
    return transformers.CLIPTokenizer(vocab=vocabulary, merges=list(simple.bpe_ranks))


def word_tokenizer(*, lowercase: bool) -> Any:
    """A tokenizer of whole words that pads with 1, as SigLIP's does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate(["<unk>", "</s>", *WORDS])}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="</s>", unk_token="<unk>")


def roberta_tokenizer() -> Any:
    """Whole words between <s> (0) and </s> (2), padded with 1, as XLM-R's and XLM-V's are."""
    return _framed(["<s>", "<pad>", "</s>", "<unk>", *WORDS], bos="<s>", eos="</s>", pad="<pad>")


def small_clip_tokenizer() -> Any:
    """Whole words between CLIP's two tokens, padded with the first word."""
    return _framed(CLIP_WORDS, bos="<bos>", eos="<eos>", pad="!")


def _framed(words: list[str], *, bos: str, eos: str, pad: str) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} $A {eos}", special_tokens=[(bos, words.index(bos)), (eos, words.index(eos))]
    )
    special = {"bos_token": bos, "eos_token": eos, "pad_token": pad, "unk_token": "<unk>"}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **special
    )


def bert_tokenizer() -> Any:
    return transformers.BertTokenizer(vocab={word: index for index, word in enumerate(BERT_WORDS)})


def clip_processor(side: int) -> Any:
    return transformers.CLIPImageProcessor(size={"shortest_edge": side}, crop_size={"height": side, "width": side})


def save(folder: Path, network: Any, tokenizer: Any, processor: Any, *, std: float = 0.3) -> Path:
    """What ``save_pretrained`` writes of the three, each parameter drawn anew so that none is zero or one."""
    torch.manual_seed(0)
    for name, parameter in network.named_parameters():
        # Large enough that different texts and images are far apart, small enough that nothing saturates.
        if parameter.ndim > 0 and "norm" not in name:
            parameter.data.normal_(std=std)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    config = transformers.CLIPConfig(text_config=CLIP_TEXT, vision_config=VISION, projection_dim=24)
    return save(folder, transformers.CLIPModel(config), small_clip_tokenizer(), clip_processor(32))


def metaclip_2(folder: Path) -> Path:
    text = {**TEXT, "vocab_size": 12, "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1}
    config = transformers.MetaClip2Config(text_config=text, vision_config=VISION, projection_dim=24)
    return save(folder, transformers.MetaClip2Model(config), roberta_tokenizer(), clip_processor(32))


def align(folder: Path) -> Path:
    vision = {
        "image_size": 32,
        "hidden_dim": 24,
        "in_channels": [32, 16],
        "out_channels": [16, 24],
        "depthwise_padding": [],
        "strides": [1, 2],
        "num_block_repeats": [1, 1],
        "expand_ratios": [1, 2],
        "kernel_sizes": [3, 3],
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
    }
    config = transformers.AlignConfig(
        text_config={**TEXT, "vocab_size": 10}, vision_config=vision, projection_dim=24, temperature_init_value=0.25
    )
    processor = transformers.EfficientNetImageProcessor(
        size={"height": 36, "width": 36}, crop_size={"height": 32, "width": 32}, do_center_crop=True
    )
    return save(folder, transformers.AlignModel(config), bert_tokenizer(), processor)


def flava(folder: Path) -> Path:
    config = transformers.FlavaConfig(
        text_config={**TEXT, "vocab_size": 10},
        image_config=VISION,
        multimodal_config=TEXT,
        image_codebook_config={"hidden_size": 8, "vocab_size": 10},
        hidden_size=32,
        projection_dim=24,
    )
    processor = transformers.FlavaImageProcessor(
        size={"height": 32, "width": 32}, crop_size={"height": 32, "width": 32}
    )
    return save(folder, transformers.FlavaForPreTraining(config), bert_tokenizer(), processor)


def open_folder(folder: Path | str, **options: Any) -> TransformersModel:
    card = ModelCard(name="model", adapter="transformers", spec=str(folder), options=options)
    return load(card, LoadOptions(offline=True))
