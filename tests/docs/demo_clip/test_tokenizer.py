"""The tokenizer: any text encodes, the end token is the highest id, padding is not the end token."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("tokenizers")
transformers = pytest.importorskip("transformers")

from demo_clip.tokenizer import END, PAD, PAD_ID, START, save_tokenizer, train_tokenizer  # noqa: E402

_VOCAB_SIZE = 640


def test_saved_tokenizer_reads_back_and_encodes_any_text(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(_VOCAB_SIZE, captions=2000, seed=1)
    save_tokenizer(tokenizer, tmp_path, context_length=32)
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.convert_tokens_to_ids([PAD, START, END]) == [PAD_ID, _VOCAB_SIZE - 2, _VOCAB_SIZE - 1]
    for text in ("a red circle", "Ein Zürcher Käse, 雪 and 🦊!", "", "zebra"):
        ids = loaded(text).input_ids
        assert (ids[0], ids[-1]) == (_VOCAB_SIZE - 2, _VOCAB_SIZE - 1)
        assert loaded.decode(ids[1:-1]).strip() == text.lower()
    assert loaded("A Red Circle").input_ids == loaded("a red circle").input_ids
    assert len(loaded("word " * 99, truncation=True, max_length=32).input_ids) == 32


def test_training_is_seeded() -> None:
    one, other = (train_tokenizer(_VOCAB_SIZE, captions=400, seed=1).to_str() for _ in range(2))
    assert one == other
