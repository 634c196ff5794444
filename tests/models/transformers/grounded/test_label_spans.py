"""Captions of labels: which tokens belong to which label, and how long lists are cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models.transformers.grounded.detectors import bert_tokenizer  # noqa: E402  (after the skip)

from vlmbench.errors import ModelError  # noqa: E402
from vlmbench.models.transformers.grounded.label_spans import LabelTokens  # noqa: E402

DELIMITERS = [101, 102, 1012, 1029]


def tokens(max_length: int = 256) -> LabelTokens:
    return LabelTokens(bert_tokenizer(), max_length=max_length, delimiters=DELIMITERS, spec="here")


def words(tokenizer: Any, caption: Any) -> list[list[str]]:
    return [tokenizer.convert_ids_to_tokens(caption.ids[list(span)].tolist()) for span in caption.spans]


def test_ids_are_those_of_the_librarys_caption():
    labels = ["Cat", "teddy bear", "a photo of a  dog", "dr. pepper", "cat", "unknown"]
    (caption,) = tokens().captions(labels)
    tokenizer = bert_tokenizer()
    whole = tokenizer(". ".join(label.lower() for label in labels) + ".")["input_ids"]
    assert caption.ids.tolist() == whole
    assert words(tokenizer, caption) == [
        ["cat"],
        ["teddy", "bear"],
        ["a", "photo", "of", "a", "dog"],
        ["dr", "pepper"],  # the full stop inside is no part of the score
        ["cat"],
        ["[UNK]"],
    ]
    assert caption.spans[0] != caption.spans[4]  # equal labels have their own places
    weights = caption.weights()
    assert weights.sum(dim=0).tolist() == pytest.approx([1.0] * 6)
    assert weights[caption.spans[2][0], 2] == pytest.approx(0.2)
    assert weights[torch.isin(caption.ids, torch.tensor(DELIMITERS))].sum() == 0


@pytest.mark.parametrize(("max_length", "expected"), [(256, [5]), (10, [3, 2]), (6, [1, 2, 2]), (5, [1, 1, 1, 1, 1])])
def test_long_lists_are_cut_where_the_next_label_does_not_fit(max_length, expected):
    labels = ["teddy bear", "cat", "dog", "red", "bus"]
    captions = tokens(max_length).captions(labels)
    assert [len(caption.spans) for caption in captions] == expected
    assert [caption.first for caption in captions] == [sum(expected[:place]) for place in range(len(expected))]
    assert max(len(caption.ids) for caption in captions) <= max_length
    assert all(caption.ids[0] == 101 and caption.ids[-2] == 1012 and caption.ids[-1] == 102 for caption in captions)
    shown = [word for caption in captions for word in words(bert_tokenizer(), caption)]
    assert [" ".join(word) for word in shown] == labels


def test_at_most_so_many_labels_a_caption():
    captions = tokens().captions(["cat", "dog", "red", "bus", "tree"], 2)
    assert [(caption.first, len(caption.spans)) for caption in captions] == [(0, 2), (2, 2), (4, 1)]


def test_a_label_that_is_too_long_loses_its_end():
    some = tokens(8)
    captions = some.captions(["cat", "a photo of a red teddy bear", "dog"])
    assert [len(caption.ids) for caption in captions] == [4, 8, 4]
    assert words(bert_tokenizer(), captions[1]) == [["a", "photo", "of", "a", "red"]]
    reader = some.reader()
    assert reader.context_length == 8
    counts = reader.token_counts(["cat", "a photo of a red teddy bear"])
    assert counts[0] <= 8 and counts[1] == 10
    read = reader.tokenize(["cat", "a photo of a red teddy bear", "a photo of a red bus"])
    assert read.shape == (3, 8) and read[0].tolist() == [101, 1030, 1012, 102, 0, 0, 0, 0]
    assert torch.equal(read[1], read[2])  # equal for the model, so a remark tells it
    assert reader.tokenize([]).shape == (0, 1)


@pytest.mark.parametrize("label", ["", "  ", ".", "?."])
def test_a_label_without_tokens_is_refused(label):
    with pytest.raises(ModelError, match=r"the label '.*' has no tokens"):
        tokens().captions(["cat", label])


def test_labels_with_delimiters_are_found():
    assert tokens().split(["cat", "dr. pepper", "dog?", "red bus", "a dog? a cat."]) == ["dr. pepper", "a dog? a cat."]


def test_a_full_stop_at_the_end_is_the_captions_own():
    plain, stopped = (tokens().captions(labels) for labels in (["a cat", "dog"], ["a cat.", "dog ."]))
    assert torch.equal(plain[0].ids, stopped[0].ids) and plain[0].spans == stopped[0].spans


def test_another_tokenizer_is_refused():
    other = transformers.BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, ".": 4, "cat": 5})
    with pytest.raises(ModelError, match=r"does not fit the network.*start is 2, \. is 4, end is 3"):
        LabelTokens(other, max_length=256, delimiters=DELIMITERS, spec="here")
