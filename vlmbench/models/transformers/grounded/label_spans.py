"""Writes labels into captions, "cat. dog.", and knows which tokens of a caption belong to which label.

The detector of the Grounding DINO families uses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.towers.token_reader import TextTokens

STOP = "."
"""Ends each label of a caption (GroundingDinoProcessor, _merge_candidate_labels_text)."""
_AROUND = 3
"""The number of tokens around the only label of a caption: start, stop and end."""


@dataclass(frozen=True)
class Caption:
    """Some labels of a list, in order, as one text.

    Attributes:
        ids: (L,) int64 token ids, with start and end.
        spans: the places of each label's tokens in ``ids``. Delimiters have no place in it.
        first: the number of the first label in the whole list.
    """

    ids: Tensor
    spans: tuple[tuple[int, ...], ...]
    first: int

    def weights(self) -> Tensor:
        """(L, c): the share of each token in each label. A token score times it is the mean over a label's tokens."""
        shares = torch.zeros(len(self.ids), len(self.spans))
        for label, span in enumerate(self.spans):
            shares[list(span), label] = 1.0 / len(span)
        return shares


class LabelTokens:
    """The tokens of labels, and captions made of them.

    A caption is built from the ids of each label, so the place of each label is known. The library's post-processing
    reads the labels back from the text instead. BERT's tokenizers split at blanks and punctuation, so the ids are
    those of the whole text.

    Args:
        max_length: the number of tokens that the network reads.
        delimiters: the ids at which the network cuts a caption into phrases, such as ``.`` and ``?``.
        spec: the checkpoint, for messages.

    Raises:
        ModelError: the tokenizer's start, stop and end are not the network's.
    """

    def __init__(self, tokenizer: Any, *, max_length: int, delimiters: Sequence[int], spec: str) -> None:
        self._tokenizer = tokenizer
        self._start, self._end = tokenizer.cls_token_id, tokenizer.sep_token_id
        self._stop = tokenizer.convert_tokens_to_ids(STOP)
        self._max_length = max_length
        self._delimiters = frozenset(delimiters)
        around = {"start": self._start, STOP: self._stop, "end": self._end}
        if other := [f"{name} is {token}" for name, token in around.items() if token not in self._delimiters]:
            raise ModelError(
                f"{spec}: the tokenizer does not fit the network, which ends phrases at the tokens "
                f"{sorted(self._delimiters)}: {', '.join(other)}",
                hint="Put the tokenizer of the checkpoint beside config.json; it is BERT's (bert-base-uncased).",
            )

    def ids(self, labels: Sequence[str]) -> list[list[int]]:
        """The token ids of each label in lower case, not cut, without delimiters at its beginning and end."""
        lowered = [label.lower() for label in labels]
        read = self._tokenizer(lowered, add_special_tokens=False, verbose=False)["input_ids"] if lowered else []
        return [self._bare(ids) for ids in read]

    def _bare(self, ids: Sequence[int]) -> list[int]:
        inner = [place for place, token in enumerate(ids) if token not in self._delimiters]
        return list(ids[inner[0] : inner[-1] + 1]) if inner else []

    def captions(self, labels: Sequence[str], most: int | None = None) -> list[Caption]:
        """Write labels into as few captions as their order allows. A longer label loses its end.

        Args:
            most: the largest number of labels in one caption; None: as many as fit.

        Raises:
            ModelError: a label has no token besides delimiters.
        """
        made: list[Caption] = []
        ids: list[int] = [self._start]
        spans: list[tuple[int, ...]] = []
        for number, uncut in enumerate(self.ids(labels)):
            tokens = uncut[: self._max_length - _AROUND]
            if len(ids) + len(tokens) + 2 > self._max_length or len(spans) == most:
                made.append(self._caption(ids, spans, number))
                ids, spans = [self._start], []
            span = tuple(len(ids) + place for place, token in enumerate(tokens) if token not in self._delimiters)
            if not span:
                raise ModelError(
                    f"the label {labels[number]!r} has no tokens for this model, so no box can have it",
                    hint="Rename the class, for example with --classnames FILE.",
                )
            spans.append(span)
            ids += [*tokens, self._stop]
        return [*made, self._caption(ids, spans, len(labels))] if spans else made

    def split(self, labels: Sequence[str]) -> list[str]:
        """The labels with a delimiter inside. The network reads each of them as several phrases."""
        return [
            label
            for label, ids in zip(labels, self.ids(labels), strict=True)
            if not self._delimiters.isdisjoint(ids[: self._max_length - _AROUND])
        ]

    def reader(self) -> TextTokens:
        """What the model reads of each label, as if it were the only one of its caption."""
        return TextTokens(self._max_length, self._cut, self._counts)

    def _caption(self, ids: Sequence[int], spans: Sequence[tuple[int, ...]], end: int) -> Caption:
        return Caption(torch.tensor([*ids, self._end]), tuple(spans), end - len(spans))

    def _counts(self, labels: Sequence[str]) -> list[int]:
        return [len(ids) + _AROUND for ids in self.ids(labels)]

    def _cut(self, labels: Sequence[str]) -> Tensor:
        cut = [[self._start, *ids[: self._max_length - _AROUND], self._stop, self._end] for ids in self.ids(labels)]
        longest = max(map(len, cut), default=1)
        pad = self._tokenizer.pad_token_id or 0
        return torch.tensor([row + [pad] * (longest - len(row)) for row in cut]).reshape(len(cut), longest)
