"""The demo's tokenizer without the library that wrote it: the same ids, and the same description for run ids."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from missing_packages import without_packages
from open_clip.tokenizer import HFTokenizer

import vlmbench
from vlmbench.models.open_clip.byte_level import byte_level_tokenizer
from vlmbench.models.open_clip.text import describe_tokenizer, token_reader

CHECKPOINT = Path(vlmbench.__file__).parent / "demo" / "checkpoint"
TEXT = json.loads((CHECKPOINT / "open_clip_config.json").read_text())["model_cfg"]["text_cfg"]
OURS = byte_level_tokenizer(CHECKPOINT, TEXT, None)
THEIRS = HFTokenizer(str(CHECKPOINT), context_length=32)


def same(texts: list[str]) -> bool:
    assert OURS is not None
    return torch.equal(OURS(texts), THEIRS(texts))


def test_its_description_is_the_librarys() -> None:
    assert OURS is not None and describe_tokenizer(OURS) == describe_tokenizer(THEIRS)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "a photo of a red circle.",
        "don't WE'LL 3 three's",
        "a <pad> b",
        "a<start_of_text>b<end_of_text>",
        "A<PAD>b",
        "ΑΣΊΑΣ İstanbul Straße ﬁne",
        "cafe\u0301 vs caf\u00e9",
        "日本語 🎈🎈 ١٢٣ ½ Ⅷ",
        "x\u00a0y\u2003z\u200b\ttab\nline",
        "word " * 60,
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "&amp; &lt;b&gt; â€œquotesâ€\u009d",
    ],
)
def test_known_hard_texts(text: str) -> None:
    assert same([text])


def test_signs_of_all_unicode_have_the_librarys_ids() -> None:
    """Of letters without case, and of places without a sign, some."""
    newer = (0x1C89, 0xA7CB, 0x10D50)  # Unicode 16 has small letters of them
    like = ("Lo", "Cn", "Co", "Cs")
    points = [point for point in range(sys.maxunicode + 1) if not 0xD800 <= point < 0xE000]
    often = [
        point
        for point in points
        if unicodedata.category(chr(point)) not in like
        and (point < 0x3000 or point % 8 == 0 or chr(point).lower() != chr(point))
    ]
    signs = [chr(point) for point in {*often, *points[::1000], *points[:0x10000:100], *newer}]
    texts = [f"a{sign}b {sign}" for sign in signs]
    assert [text for start in range(0, len(texts), 4096) for text in unlike(texts[start : start + 4096])] == []


def unlike(texts: list[str]) -> list[str]:
    assert OURS is not None
    alike = (OURS(texts) == THEIRS(texts)).all(dim=1).tolist()
    return [text for text, same in zip(texts, alike, strict=True) if not same]


PARTS = ("photo", "triangles", "<pad>", "'s", " ", "  ", ".", "7", "É", "ß", "σ", "\u0301", *"abcdefgot")
WORDS = st.sampled_from(PARTS)
KNOWN = st.characters(exclude_categories=("Cs", "Cn"))
"""Signs that this Python's Unicode has: of a newer one the library may know letters that are none here."""


TEXTS = st.one_of(st.text(KNOWN, max_size=40), st.lists(WORDS, max_size=40).map("".join))


@given(st.lists(TEXTS, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_texts(texts: list[str]) -> None:
    assert same(texts)


def test_none_is_zero_rows() -> None:
    assert OURS is not None and OURS([]).shape == (0, 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CHECKPOINT, tmp_path / "copy"))


def edited(folder: Path, file: str, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))


def test_another_vocabulary_of_the_form_is_read(folder: Path) -> None:
    edited(folder, "tokenizer.json", lambda rules: rules["model"]["merges"].reverse())
    ours, theirs = byte_level_tokenizer(folder, TEXT, 20), HFTokenizer(str(folder), context_length=20)
    assert ours is not None and OURS is not None
    texts = ["a photo of a blue hexagon in the center", "seven handwritten digits"]
    assert torch.equal(ours(texts), theirs(texts)) and describe_tokenizer(ours) == describe_tokenizer(theirs)
    assert not torch.equal(ours(texts)[:, :10], OURS(texts)[:, :10])


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("tokenizer.json", lambda rules: rules.update(normalizer=None)),
        ("tokenizer.json", lambda rules: rules["pre_tokenizer"].update(add_prefix_space=False)),
        ("tokenizer.json", lambda rules: rules["model"].update(dropout=0.1)),
        ("tokenizer.json", lambda rules: rules["model"]["vocab"].pop("Ġ")),
        ("tokenizer.json", lambda rules: rules["added_tokens"][0].update(lstrip=True)),
        ("tokenizer.json", lambda rules: rules["post_processor"].update(type="ByteLevel")),
        ("tokenizer.json", lambda rules: rules.clear()),
        ("tokenizer_config.json", lambda config: config.update(padding_side="left")),
        ("tokenizer_config.json", lambda config: config.update(tokenizer_class="CLIPTokenizerFast")),
        ("tokenizer_config.json", lambda config: config.update(bos_token="<other>")),
    ],
)
def test_any_other_form_is_left_to_the_library(
    folder: Path, file: str, change: Callable[[dict[str, Any]], object]
) -> None:
    edited(folder, file, change)
    assert byte_level_tokenizer(folder, TEXT, None) is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(1, 5))
def test_texts_are_counted_as_the_library_does(text: str, times: int) -> None:
    longer = text * times
    exact = len(THEIRS.tokenizer(THEIRS.clean_fn(longer))["input_ids"])
    assert OURS is not None and OURS.token_counts([longer]) == [exact]
    reader = token_reader(OURS)
    assert reader is not None
    (told,) = reader.token_counts([longer])
    assert told == exact if exact > 32 else told <= 32


def test_a_config_that_asks_the_library_for_more_is_left_to_it() -> None:
    assert byte_level_tokenizer(CHECKPOINT, {**TEXT, "tokenizer_kwargs": {"clean": "lower"}}, None) is None
    assert byte_level_tokenizer(CHECKPOINT, {**TEXT, "tokenizer_mode": "clips"}, None) is None
    assert byte_level_tokenizer(CHECKPOINT.parent, TEXT, None) is None


def test_demo_clip_loads_and_encodes_without_the_tokenizers_libraries() -> None:
    before = vlmbench.load_model("demo-clip")
    with without_packages("transformers", "tokenizers"):
        model = vlmbench.load_model("demo-clip")
        features = model.encode_text(["a red circle", "a photo of a star"])
    assert model.identity.tokenizer == before.identity.tokenizer
    assert torch.equal(features, before.encode_text(["a red circle", "a photo of a star"]))
