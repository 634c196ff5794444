"""Finds texts that are longer than the model reads, keeps a note on them in the cache, and makes the remark.

The engine uses it for every text that it encodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from vlmbench.features.texts.same import quoted
from vlmbench.models.base import Model, TokenReader, capability
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CAPTIONS_CUT, TEXTS_CUT
from vlmbench.wording import counted, either

Called = Literal["text", "prompt", "caption"]
"""The user's word for a task's texts."""
_NOTE = "cut"


def cut_texts(model: Model, texts: Sequence[str], lengths: Tensor | None = None) -> dict[str, str]:
    """Find the texts whose end the model does not read. Each comes with its note for the cache.

    Args:
        lengths: (N,) the number of tokens of each text after the cut, if known; only the longest possible texts are
            then counted again. None: all texts are counted.
    """
    reader = capability(model, TokenReader)
    if reader is None or not texts:
        return {}
    most = reader.context_length
    full = texts if lengths is None else [texts[row] for row in torch.nonzero(lengths >= most).flatten().tolist()]
    counts = reader.token_counts(full) if full else []
    return {text: f"{_NOTE} {count} {most}" for text, count in zip(full, counts, strict=True) if count > most}


def tell_of_cut(
    notes: Mapping[str, str],
    texts: Sequence[str],
    called: Called,
    groups: Callable[[Sequence[str]], Sequence[Sequence[int]]],
) -> None:
    """Remark on the number of texts that were cut, if there are any.

    Args:
        notes: the note of each cut text, from :func:`cut_texts`.
        texts: all texts, including repeated ones.
        groups: maps different texts to groups of texts that are equal for the model.
    """
    if not notes:
        return
    cut = [text for text in texts if text in notes]
    same = sum(map(len, groups(list(notes))))
    counts = [notes[text].split() for text in cut]
    longest, most = max(int(count) for _, count, _ in counts), counts[0][2]
    of = f"{len(cut):,} of {counted(len(texts), called)}"
    text = (
        f"{of} {either(len(cut), 'is', 'are')} longer than the {most} tokens that the model reads, "
        f"{either(len(cut), 'it', 'the longest')} has {longest:,}; "
        f"{either(len(cut), 'its end was', 'their ends were')} cut off"
    )
    text += f", and {same:,} of them are now equal to another one" if same and len(cut) > 1 else ""
    code = CAPTIONS_CUT if called == "caption" else TEXTS_CUT
    say(code, text, brief=f"{of} cut at {most} tokens", count=len(cut), examples=map(quoted, cut))
