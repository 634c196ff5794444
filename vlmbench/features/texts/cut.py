"""Texts that are longer than the model reads: which they are, what the cache notes of them, and the remark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from vlmbench.features.texts.same import quoted
from vlmbench.models.base import Model, TokenReader, capability
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import CAPTIONS_CUT, TEXTS_CUT

Called = Literal["text", "prompt", "caption"]
"""What the user knows a task's texts as."""
_NOTE = "cut"


def cut_texts(model: Model, texts: Sequence[str], lengths: Tensor | None = None) -> dict[str, str]:
    """The texts of which the model does not read the end, each with its note.

    Args:
        lengths: (N,) how many tokens each text has after it was cut, where that is known: only full ones are counted
            again. None: each text that may be too long is.
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
    """Say how many texts were cut, if any were.

    Args:
        notes: by text, those of :func:`cut_texts`.
        texts: all, each as often as it was given.
        groups: different texts to the groups of those that are the same to the model.
    """
    if not notes:
        return
    cut = [text for text in texts if text in notes]
    same = sum(map(len, groups(list(notes))))
    counts = [notes[text].split() for text in cut]
    longest, most = max(int(count) for _, count, _ in counts), counts[0][2]
    of = f"{len(cut):,} of {len(texts):,} {called}{'s' * (len(texts) != 1)}"
    if len(cut) == 1:
        text = f"{of} is longer than the {most} tokens that the model reads, it has {longest:,}; its end was cut off"
    else:
        text = (
            f"{of} are longer than the {most} tokens that the model reads, the longest has {longest:,}; "
            "their ends were cut off"
        )
        text += f", and {same:,} of them are now the same as another one" if same else ""
    code = CAPTIONS_CUT if called == "caption" else TEXTS_CUT
    say(code, text, brief=f"{of} cut at {most} tokens", count=len(cut), examples=map(quoted, cut))
