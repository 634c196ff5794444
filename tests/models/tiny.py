"""Small seeded architectures, odd images and prompts: real code paths of the libraries, a few layers each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import torch

from vlmbench.features.texts.prefix_tree import collate, packs
from vlmbench.models.base import TokenReader, VisionLanguageModel, capability

VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
CONFIG: dict[str, Any] = {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "tiny": CONFIG,
    "tiny-quickgelu": {**CONFIG, "quick_gelu": True},
    "tiny-deep": {**CONFIG, "vision_cfg": {**VISION, "layers": 3, "width": 96}},
    "tiny-large-image": {**CONFIG, "vision_cfg": {**VISION, "image_size": 64}},
    "tiny-custom": {**CONFIG, "custom_text": True},
    "tiny-eos": {**CONFIG, "custom_text": True, "text_cfg": {**TEXT, "pool_type": "eos", "eos_id": 49407}},
    "tiny-bias": {**CONFIG, "custom_text": True, "text_cfg": {**TEXT, "proj_bias": True}},
    "tiny-blocks": {**CONFIG, "text_cfg": {**TEXT, "qk_norm": True, "scale_heads": True}},
    "tiny-scale": {**CONFIG, "text_cfg": {**TEXT, "ls_init_value": 0.3}},
    "tiny-short": {**CONFIG, "text_cfg": {**TEXT, "context_length": 16}},
    "tiny-sigmoid": {
        **CONFIG,
        "init_logit_bias": -10,
        "custom_text": True,
        "text_cfg": {**TEXT, "no_causal_mask": True, "pool_type": "last", "proj_bias": True},
    },
    "tiny-last": {**CONFIG, "custom_text": True, "text_cfg": {**TEXT, "pool_type": "last"}},
    "tiny-bidirectional": {**CONFIG, "custom_text": True, "text_cfg": {**TEXT, "no_causal_mask": True}},
    "tiny-class-token": {**CONFIG, "custom_text": True, "text_cfg": {**TEXT, "embed_cls": True}},
    "tiny-coca": {
        **CONFIG,
        "custom_text": True,
        "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 2, "output_tokens": True},
        "text_cfg": {**TEXT, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 76, "width": 24, "heads": 2, "layers": 1, "vocab_size": 49408},
    },
}
DEEP = {**VISION, "layers": 2, "width": 96}
VISION_TOWERS: dict[str, dict[str, Any]] = {
    "vit": DEEP,
    "vit-quickgelu": DEEP,
    "vit-layer-scale": {**DEEP, "ls_init_value": 0.3},
    "vit-average": {**DEEP, "pool_type": "avg", "final_ln_after_pool": True, "no_ln_pre": True},
    "vit-sin-cos": {**DEEP, "pos_embed_type": "sin_cos_2d", "patch_dropout": 0.5},
    "vit-blocks": {
        **DEEP,
        "ls_init_value": 0.3,
        "qk_norm": True,
        "scale_heads": True,
        "scale_attn_inner": True,
        "scale_attn": True,
        "scale_fc": True,
    },
    "vit-one-block": {**VISION, "block_type": "custom"},
    "vit-wide-image": {**DEEP, "image_size": [32, 64]},
    "vit-epsilon": {**DEEP, "norm_kwargs": {"eps": 1e-2}, "act_kwargs": {"approximate": "tanh"}},
    "vit-cosine": {**DEEP, "scaled_cosine_attn": True},
    "vit-attentional-pool": {**DEEP, "attentional_pool": True, "attn_pooler_heads": 2},
    "vit-no-pool": {**DEEP, "pool_type": "none"},
    "resnet": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 32, "patch_size": None},
}
"""Image towers of every kind, under ``tiny-`` and their name."""
for name, tower in VISION_TOWERS.items():
    ARCHITECTURES[f"tiny-{name}"] = {**CONFIG, "vision_cfg": tower, "quick_gelu": name == "vit-quickgelu"}

PROMPTS = [
    "a photo of a cat",
    "",
    "a",
    " ".join(f"word{number}" for number in range(90)),
    "фотография кошки, 猫の写真, صورة قطة",
    "A PHOTO, of a dog!! ünï¢ödé 🐈",
    "two <end_of_text> in one",
    " ".join(["cat"] * 75),
]
"""Empty, short, longer than the context, exactly as long, not Latin, with the end-of-text token written out."""


SHARING = [
    *PROMPTS,
    *(f"a {kind} of the {name}." for kind in ("photo", "bad photo") for name in ("cat", "cats", "猫", "big dog")),
    "a photo!",
    "a photo!of the cat",
    "!!wow!!!such a photo!of the cat!!",
    " ".join(["cat"] * 74 + ["dog"]),
    "A photo of a cat ",
]
"""And prompts that begin alike, with exclamation marks inside words, whose token is CoCa's padding, and one that
differs from another in what the tokenizer drops alone."""


def image_of_mode(mode: str) -> PIL.Image.Image:
    """A gradient that is no two pixels the same in most modes: small, not square, and as odd as its mode allows."""
    gradient = PIL.Image.linear_gradient("L").resize((60, 44))
    colour = PIL.Image.merge("RGB", (gradient, gradient.rotate(180), gradient.point(lambda value: value // 2)))
    if mode == "P-transparent":
        palette = colour.quantize(16)
        palette.info["transparency"] = 3
        return palette
    if mode == "LA":
        return PIL.Image.merge("LA", (gradient, gradient.rotate(180)))
    if mode == "RGBA":
        return PIL.Image.merge("RGBA", (*colour.split(), gradient))
    if mode == "I;16":
        return PIL.Image.fromarray(np.asarray(gradient).astype(np.uint16) * 257)
    if mode == "EXIF":
        colour.getexif()[0x0112] = 6  # rotate by 90 degrees to show
        return colour
    return colour.convert(mode)


def shaken(model: Any) -> Any:
    """A seeded model with noise on every parameter: zero biases and scales of one would hide mistakes."""
    torch.manual_seed(11)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def prefix_difference(model: VisionLanguageModel, texts: list[str]) -> float:
    """The largest difference between features of cut batches and of the plain path, over several batch make-ups."""
    prefix: Any = model.capabilities["PrefixTextEncoder"]
    with torch.inference_mode():
        plain = torch.cat([model.encode_text([text]) for text in texts])
        tokens = prefix.tokenize(texts)
        lengths = prefix.lengths(tokens)
        together = prefix.encode_tokens(tokens[:, : int(lengths.max())])
        alone = torch.cat(
            [prefix.encode_tokens(tokens[row : row + 1, : int(length)]) for row, length in enumerate(lengths)]
        )
    return max(float((together - plain).abs().max()), float((alone - plain).abs().max()))


def packed_difference(model: VisionLanguageModel, texts: list[str]) -> float:
    """The largest difference between features of packed prompts and of the plain path, with packs of several sizes."""
    packed: Any = model.capabilities["PackedTextEncoder"]
    tokens = packed.tokenize(texts)
    differences = []
    with torch.inference_mode():
        plain = torch.cat([model.encode_text([text]) for text in texts])
        for capacity in (1, 30, 128, 10_000):
            made = list(packs(tokens.numpy(), packed.lengths(tokens).numpy(), capacity))
            rows = [row for pack in made for row in pack.rows]
            assert sorted(rows) == list(range(len(texts)))
            differences.append(float((packed.encode_packs(collate(made, "cpu")) - plain[rows]).abs().max()))
    return max(differences)


def assert_counts_tokens(model: VisionLanguageModel, context_length: int, uncut: Callable[[str], int]) -> None:
    """The model tells how long texts are as its tokenizer does that cuts nothing, where they are too long.

    Args:
        uncut: the library's own number of tokens of a text.
    """
    reader = capability(model, TokenReader)
    assert reader is not None and reader.context_length == context_length
    around = uncut("")
    numbers = [1, *range(context_length - around - 1, context_length - around + 3), 3 * context_length]
    texts = [" ".join(["cat"] * number) for number in numbers] + [*PROMPTS, "&nGt;" * context_length, "ﷺ" * 40]
    exact = [uncut(text) for text in texts]
    assert {context_length, context_length + 1} <= set(exact)
    for alone, together, count in zip(
        (reader.token_counts([text])[0] for text in texts), reader.token_counts(texts), exact, strict=True
    ):
        assert alone == together
        assert alone == count if count > context_length else alone <= context_length
    rows = reader.tokenize(texts)
    assert len(rows) == len(texts) and rows.shape[1] <= context_length
    assert torch.equal(rows[len(numbers) - 1], rows[len(numbers) - 2])  # of these, the ends alone differ
    assert len(reader.tokenize([])) == 0 and reader.token_counts([]) == []


def assert_same_features(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal but for the last bits: two copies of one network may lie differently in memory, and the kernels that a
    processor has for aligned and unaligned data add up in another order."""
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)
