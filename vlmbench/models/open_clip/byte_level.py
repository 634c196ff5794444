"""Defines a byte-level BPE tokenizer, so that the demo's checkpoint needs no tokenizer library. The adapter uses it.

Hugging Face's ``tokenizers`` and ``transformers`` are optional dependencies. This module reads only the form that
``docs/demo_clip`` writes. Those libraries read every other form.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import regex
import torch
from open_clip.tokenizer import HFTokenizer, bytes_to_unicode, get_clean_fn
from torch import Tensor

from vlmbench.models.towers.token_reader import library_counts
from vlmbench.models.towers.weights import json_sha256

_PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
"""The pattern of ``ByteLevel`` in tokenizers, and of GPT-2's ``encoder.py``."""
_FORM: Mapping[str, Any] = {
    "version": "1.0",
    "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
}
_MODEL: Mapping[str, Any] = {
    "type": "BPE",
    "dropout": None,
    "unk_token": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "fuse_unk": False,
    "byte_fallback": False,
    "ignore_merges": False,
}
_ADDED: Mapping[str, Any] = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": True,
}
_SETTINGS = frozenset(
    ("bos_token", "eos_token", "pad_token", "tokenizer_class", "model_max_length", "clean_up_tokenization_spaces")
)
"""The settings that ``tokenizer_config.json`` must have. Others could change the tokenizer's results."""
_CLEANED = "whitespace"
"""open_clip's cleaning of texts before such a tokenizer."""
_MOST_KEPT = 2**16
"""Words of which a tokenizer keeps the ids at once."""


@dataclass(frozen=True)
class ByteLevelTokenizer:
    """Maps texts to the ids that open_clip's ``HFTokenizer`` gives for the same files.

    Attributes:
        folder: the folder with the files.
        rules: the content of ``tokenizer.json``.
        context_length: the number of ids of a text, including its start and its end. A longer text loses its last ids,
            but keeps the end.
    """

    folder: Path
    rules: Mapping[str, Any]
    context_length: int
    ends: tuple[int, int]
    pad: int

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Map N strings to (N, context length) int64 ids."""
        clean = get_clean_fn(_CLEANED)
        found = torch.full((len(texts), self.context_length), self.pad, dtype=torch.long)
        start, end = self.ends
        for row, text in enumerate(texts):
            if not _is_settled(text) and self._library:
                found[row] = self._library([text])[0]
                continue
            ids = [start, *self._ids(clean(text))[: self.context_length - 2], end]
            found[row, : len(ids)] = torch.tensor(ids)
        return found

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Count the ids of each text before the cut, including its start and its end."""
        clean = get_clean_fn(_CLEANED)
        counts = []
        for text in texts:
            if not _is_settled(text) and self._library:
                counts += library_counts(self._library.tokenizer, [clean(text)])
            else:
                counts.append(len(self._ids(clean(text))) + 2)
        return counts

    @property
    def description(self) -> str:
        """The result of :func:`.text.describe_tokenizer` for an ``HFTokenizer`` of these files."""
        rules = {key: value for key, value in self.rules.items() if key not in ("padding", "truncation")}
        return (
            f"HFTokenizer(context_length={self.context_length}, clean={get_clean_fn(_CLEANED).__name__}, "
            f"rules_sha256={json_sha256(rules)}, mode='', strip_sep_token=False)"
        )

    def _ids(self, text: str) -> list[int]:
        found: list[int] = []
        for part in self._special.split(text):
            if part in self._added:
                found.append(self._added[part])
            elif part:
                found += [known for word in _words(part) for known in self._word_ids(word)]
        return found

    def _word_ids(self, word: str) -> list[int]:
        """The ids of a word. Prompts repeat few words, so they are kept."""
        if (found := self._kept.get(word)) is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            found = self._kept[word] = self._joined_ids(word)
        return found

    def _joined_ids(self, word: str) -> list[int]:
        """Split a word into bytes, and join neighbours by the earliest rule until no rule fits."""
        signs = [self._signs[byte] for byte in word.encode("utf-8")]
        while len(signs) > 1:
            pairs = list(pairwise(signs))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            signs = list(_joined(signs, best))
        return [self._vocabulary[sign] for sign in signs]

    @cached_property
    def _library(self) -> HFTokenizer | None:
        """The library's tokenizer; None if the library is not installed."""
        try:
            return HFTokenizer(str(self.folder), context_length=self.context_length)
        except ImportError:
            return None

    @cached_property
    def _kept(self) -> dict[str, list[int]]:
        return {}

    @cached_property
    def _vocabulary(self) -> Mapping[str, int]:
        return {str(sign): int(number) for sign, number in self.rules["model"]["vocab"].items()}

    @cached_property
    def _ranks(self) -> Mapping[tuple[str, str], int]:
        return {(left, right): rank for rank, (left, right) in enumerate(self.rules["model"]["merges"])}

    @cached_property
    def _added(self) -> Mapping[str, int]:
        return {token["content"]: int(token["id"]) for token in self.rules["added_tokens"]}

    @cached_property
    def _special(self) -> Any:
        return regex.compile(f"({'|'.join(regex.escape(token) for token in self._added)})")

    @cached_property
    def _signs(self) -> Mapping[int, str]:
        return dict(bytes_to_unicode())


def byte_level_tokenizer(
    folder: Path, text_config: Mapping[str, Any], context_length: int | None
) -> ByteLevelTokenizer | None:
    """Read the tokenizer of a checkpoint's folder; None if its form is not the one that this module reads."""
    plain = text_config.get("hf_tokenizer_name") and not text_config.get("tokenizer_kwargs")
    if not plain or text_config.get("tokenizer_mode"):
        return None
    try:
        rules, settings = (
            json.loads((folder / name).read_text(encoding="utf-8"))
            for name in ("tokenizer.json", "tokenizer_config.json")
        )
        if not _is_known(rules, settings) or (folder / "added_tokens.json").exists():
            return None
        ids = {token["content"]: int(token["id"]) for token in rules["added_tokens"]}
        start, end, pad = (ids[settings[name]] for name in ("bos_token", "eos_token", "pad_token"))
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
    ):  # the library reads the files, or says what is wrong
        return None
    length = context_length or int(text_config.get("context_length", 77))
    return ByteLevelTokenizer(folder, rules, length, (start, end), pad)


def _is_known(rules: Any, settings: Any) -> bool:
    model, added = rules["model"], rules["added_tokens"]
    around = [
        {"SpecialToken": {"id": settings["bos_token"], "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": settings["eos_token"], "type_id": 0}},
    ]
    merged = [left + right for left, right in model["merges"]]
    return (
        all(rules[name] == value for name, value in _FORM.items())
        and {name: value for name, value in model.items() if name not in ("vocab", "merges")} == _MODEL
        and all({name: token[name] for name in _ADDED} == _ADDED for token in added)
        and rules["post_processor"]["type"] == "TemplateProcessing"
        and rules["post_processor"]["single"] == around
        and {*bytes_to_unicode().values(), *merged} <= model["vocab"].keys()
        and settings.keys() == _SETTINGS
        and settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    )


def _is_settled(text: str) -> bool:
    """Whether this Python knows every character. For newer Unicode, only a library may know the lower case."""
    return text.isascii() or all(unicodedata.category(sign) != "Cn" for sign in text)


def _words(text: str) -> list[str]:
    """Lower a text one letter at a time and split it into words.

    The library does the same, so a sigma at the end of a word has no special form.
    """
    small = "".join(sign.lower() for sign in unicodedata.normalize("NFC", text))
    words: list[str] = _PIECES.findall(small if small.startswith(" ") else f" {small}")
    return words


def _joined(signs: Sequence[str], pair: tuple[str, str]) -> Iterator[str]:
    place = 0
    while place < len(signs):
        if tuple(signs[place : place + 2]) == pair:
            yield "".join(pair)
            place += 2
        else:
            yield signs[place]
            place += 1
