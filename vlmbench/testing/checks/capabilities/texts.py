"""Checks capabilities of text towers: PrefixTextEncoder (cut batches), PackedTextEncoder, TokenReader (token counts).

:func:`vlmbench.testing.check_model` calls them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vlmbench.features.texts.prefix_tree import collate, packs
from vlmbench.models.base import PackedTextEncoder, PrefixTextEncoder, TokenReader, VisionLanguageModel
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.features import apart, require_features
from vlmbench.testing.conformance import Inspection
from vlmbench.wording import counted

SHARING = (
    *inputs.TEXTS,
    *(f"a {kind} of the {name}." for kind in ("photo", "bad photo") for name in ("cat", "cats", "猫", "big dog")),
    "a photo!",
    "a photo of a cat!",
)
"""Texts of which many have the same beginning."""
_CAPACITIES = (1, 30, 10_000)
"""The largest number of nodes in a pack. It gives a pack for each prompt, then several packs, then one pack."""
_MANY_WORDS = 3


def _require_tokens(inspection: Inspection, tokens: object, count: int) -> None:
    if not isinstance(tokens, Tensor):
        inspection.require(False, f"tokenize returns a {type(tokens).__name__}")
        return
    inspection.require(
        tokens.ndim == 2 and len(tokens) == count and tokens.dtype == torch.int64,
        f"tokenize gives {tokens.dtype} of shape {tuple(tokens.shape)}, not int64 of ({count}, L)",
    )
    inspection.require(tokens.device.type == "cpu", f"tokenize gives tokens on {tokens.device}, not on the CPU")


def _require_lengths(inspection: Inspection, lengths: Tensor, tokens: Tensor) -> None:
    inspection.require(
        lengths.shape == (len(tokens),) and lengths.dtype == torch.int64,
        f"lengths gives {lengths.dtype} of shape {tuple(lengths.shape)}, not int64 of ({len(tokens)},)",
    )
    low, high = int(lengths.min()), int(lengths.max())
    inspection.require(
        low >= 1 and high <= tokens.shape[1],
        f"lengths are from {low} to {high}, but a row has {counted(tokens.shape[1], 'token')}",
    )


def check_prefix(
    inspection: Inspection, model: VisionLanguageModel, prefix: PrefixTextEncoder, *, rounding: float
) -> None:
    """Check that texts can be cut to their length without changing their features."""
    texts, before = list(inputs.TEXTS), len(inspection.broken)
    with inspection.promise(
        "PrefixTextEncoder: tokenize gives (N, L) int64 on the CPU, and lengths (N,) int64 from 1 to L",
        fix="Pad each row. Count the tokens up to the one whose feature is used, and at least one.",
    ):
        tokens = prefix.tokenize(texts)
        _require_tokens(inspection, tokens, len(texts))
        _require_lengths(inspection, prefix.lengths(tokens), tokens)
    if len(inspection.broken) > before:
        return
    with (
        torch.inference_mode(),
        inspection.promise(
            "PrefixTextEncoder: a batch that is cut to its longest text has the same features as in encode_text",
            fix="Offer it only if the tower is causal or masks its padding. Count all tokens that are read.",
        ),
    ):
        plain = model.encode_text(texts)
        tokens = prefix.tokenize(texts)
        lengths = prefix.lengths(tokens)
        together = prefix.encode_tokens(tokens[:, : int(lengths.max())].to(model.device))
        require_features(inspection, together, tuple(plain.shape), model.device)
        difference = apart(together, plain)
        inspection.require(difference <= rounding, f"cut to the longest text, they differ by up to {difference:.3g}")
        rows = [tokens[row : row + 1, : int(length)].to(model.device) for row, length in enumerate(lengths)]
        difference = apart(torch.cat([prefix.encode_tokens(row) for row in rows]), plain)
        inspection.require(difference <= rounding, f"each cut to its own length, they differ by up to {difference:.3g}")


def check_packs(
    inspection: Inspection, model: VisionLanguageModel, packed: PackedTextEncoder, *, rounding: float
) -> None:
    """Check that packed prompts with the same beginning have the same features as in encode_text."""
    texts = list(SHARING)
    with (
        torch.inference_mode(),
        inspection.promise(
            "PackedTextEncoder: packed prompts have the same features as in encode_text",
            fix="Use the mask and the positions of the packs, and read each prompt at its place in `ends`.",
        ),
    ):
        tokens = packed.tokenize(texts)
        _require_tokens(inspection, tokens, len(texts))
        lengths = packed.lengths(tokens)
        _require_lengths(inspection, lengths, tokens)
        plain = model.encode_text(texts)
        for capacity in _CAPACITIES:
            made = list(packs(tokens.numpy(), lengths.numpy(), capacity))
            rows = [row for pack in made for row in pack.rows]
            found = packed.encode_packs(collate(made, model.device))
            require_features(inspection, found, (len(rows), plain.shape[1]), model.device)
            difference = apart(found, plain[rows])
            inspection.require(
                difference <= rounding, f"in packs of {capacity} tokens they differ by up to {difference:.3g}"
            )


def check_reader(inspection: Inspection, model: VisionLanguageModel, reader: TokenReader, *, rounding: float) -> None:
    """Check that the counts of tokens show which texts the model cuts."""
    length = reader.context_length
    with inspection.promise(
        "TokenReader: context_length is a number of tokens, and tokenize gives (N, L) int64 with L at most this number",
        fix="Cut and pad the rows as the model reads them.",
    ):
        inspection.require(isinstance(length, int) and length > 0, f"context_length is {length!r}")
        texts = [*inputs.TEXTS, "cat " * (_MANY_WORDS * length)]
        tokens = reader.tokenize(texts)
        _require_tokens(inspection, tokens, len(texts))
        inspection.require(
            tokens.shape[1] <= length, f"a row has {tokens.shape[1]} tokens, but the context has {length}"
        )
        inspection.require(len(reader.tokenize([])) == 0, "tokenize([]) gives rows")
    with inspection.promise(
        "TokenReader: a text has more tokens than the context if and only if the model cuts it",
        fix="Count the tokens before the text is cut, with those that the tokenizer adds at both ends.",
    ):
        numbers = range(1, length + 2)
        texts = [" ".join(["cat"] * number) for number in numbers]
        counts = list(reader.token_counts(texts))
        inspection.require(len(counts) == len(texts), f"{len(counts)} counts for {len(texts)} texts")
        inspection.require(len(reader.token_counts([])) == 0, "token_counts([]) is not empty")
        inspection.require(
            counts[-1] > length, f"{length + 1} words have {counts[-1]} tokens, though the context has {length}"
        )
        alone = [next(iter(reader.token_counts([text]))) for text in texts]
        inspection.require(alone == counts, "a text has another number of tokens alone than in a list")
        rows, longer = reader.tokenize(texts), reader.tokenize([f"{text} cat" for text in texts])
        for count, row, next_row in zip(counts, rows, longer, strict=True):
            unread = row.shape == next_row.shape and torch.equal(row, next_row)
            inspection.require(
                unread or count <= length, f"a text of {count} tokens is not cut, though the context has {length}"
            )
