"""Finds the library to which weights belong, by their names. Adapters name the right adapter with it in errors."""

from __future__ import annotations

from collections.abc import Collection

OPEN_CLIP = "open_clip's"
TRANSFORMERS = "the transformers library's"


def library(names: Collection[str]) -> str | None:
    """:data:`OPEN_CLIP` or :data:`TRANSFORMERS` for names of a dual encoder's weights in one of them, else None."""

    def has(*parts: str) -> bool:
        return all(any(f".{part}" in f".{name}" for name in names) for part in parts)

    if has("vision_model.", "text_model."):
        return TRANSFORMERS
    if has("logit_scale", "visual.") and (has("token_embedding.weight") or has("text.transformer.")):
        return OPEN_CLIP
    return None


def owner(names: Collection[str]) -> str | None:
    """A hint on weights that an adapter could not load: their library, and the adapter that reads them; or None."""

    def has(*parts: str) -> bool:
        return all(any(f".{part}" in f".{name}" for name in names) for part in parts)

    known = library(names)
    if known == TRANSFORMERS:
        return (
            f"The names are {TRANSFORMERS}: load the folder that save_pretrained wrote, with config.json and the "
            "tokenizer's files, as transformers:FOLDER."
        )
    if known == OPEN_CLIP:
        return (
            f"The names are {OPEN_CLIP}: load the file as open_clip:ARCH/FILE, or its folder, with an "
            "open_clip_config.json, as open_clip:local-dir:FOLDER."
        )
    if has("visual_encoder.") and (has("text_encoder.") or has("text_decoder.") or has("Qformer.")):
        return "The names are those of ALBEF, BLIP or BLIP-2 (LAVIS). No adapter reads these models."
    if has("first_stage_model.") or has("cond_stage_model.") or has("down_blocks."):
        return "The names are those of an image generator (Stable Diffusion). No adapter reads these models."
    if has("lm_head.") or has("language_model.") or has("q_proj.", "embed_tokens."):
        return "The names are those of a generative language model. No adapter reads these models."
    text = has("token_embedding") or has("text.") or has("text_model.") or has("embeddings.word_embeddings")
    if not text and (
        has("fc.weight") or has("head.weight") or has("classifier") or has("blocks.0.") or has("layer1.0.")
    ):
        return (
            "The names are those of an image classifier or an image tower without a text tower (torchvision, timm). "
            "vlmbench needs a model of images and texts."
        )
    return None
