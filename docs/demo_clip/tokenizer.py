"""A byte-level BPE vocabulary of about seven hundred tokens, written as a Hugging Face tokenizer folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from demo_clip.scenes import caption_training_scene, draw_training_scene

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PAD, START, END = "<pad>", "<start_of_text>", "<end_of_text>"
PAD_ID = 0

_PROMPTS: tuple[str, ...] = (
    "a photo of a {}.",
    "a bad photo of a {}.",
    "a blurry photo of the {}.",
    "a black and white photo of a {}.",
    "a close-up photo of the {}.",
    "a low resolution photo of a {}.",
    "a cropped photo of the {}.",
    "a good photo of the {}.",
    "a photo of many {}.",
    "a photo of the large {}.",
    "a photo of the small {}.",
    "a rendering of a {}.",
    "a drawing of a {}.",
    "a painting of a {}.",
    "a sketch of the {}.",
    "itap of my {}.",
    "art of the {}.",
    "a photo of my {}, a type of animal.",
    "satellite imagery of {}.",
    "a photo of a {} in the scene.",
    'a photo of the number: "{}".',
)
_NOUNS: tuple[str, ...] = (
    *(
        "person",
        "man",
        "woman",
        "face",
        "human face",
        "child",
        "astronaut",
        "dog",
        "cat",
        "horse",
        "bird",
        "fish",
    ),
    *(
        "flower",
        "tree",
        "grass",
        "gravel",
        "rock",
        "brick wall",
        "house",
        "building",
        "temple",
        "street",
        "road",
    ),
    *(
        "car",
        "bus",
        "bicycle",
        "motorcycle",
        "airplane",
        "boat",
        "ship",
        "train",
        "rocket",
        "galaxy",
        "moon",
        "sky",
    ),
    *(
        "cup of coffee",
        "coins",
        "clock",
        "book",
        "page of text",
        "camera",
        "computer",
        "phone",
        "chair",
        "table",
    ),
    *(
        "water",
        "fire",
        "snow",
        "mountain",
        "river",
        "field",
        "forest",
        "beach",
        "something that is not a face",
    ),
)


def train_tokenizer(vocab_size: int, captions: int, seed: int) -> Tokenizer:
    """Train on seeded captions of training scenes and on common English prompts; every byte encodes.

    The start and end tokens take the two highest ids, since CLIP pools the text at the highest id it sees.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 2,
        special_tokens=[PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(captions, seed), trainer)
    tokenizer.add_special_tokens([START, END])
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (START, END)],
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, context_length: int) -> None:
    """Write tokenizer.json, tokenizer_config.json and special_tokens_map.json as ``AutoTokenizer`` reads them."""
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"bos_token": START, "eos_token": END, "pad_token": PAD}
    config = {
        **special,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": context_length,
        "clean_up_tokenization_spaces": False,
    }
    for name, content in (("tokenizer_config.json", config), ("special_tokens_map.json", special)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _corpus(captions: int, seed: int) -> Iterator[str]:
    rng = Random(f"corpus:{seed}")
    for _ in range(captions // 4):
        yield from _texts(rng)
    for prompt in _PROMPTS:
        yield from (prompt.format(noun) for noun in _NOUNS)


def _texts(rng: Random) -> Iterable[str]:
    return (caption.text for caption in caption_training_scene(draw_training_scene(rng), rng, 4))
