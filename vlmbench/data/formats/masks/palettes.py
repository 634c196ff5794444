"""Checks that the palettes of a dataset's masks agree: if they differ, the values may not be classes.

The source ``masks`` uses it.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlmbench.data.formats.masks.stored import StoredMask
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MASK_PALETTES_DIFFER
from vlmbench.wording import counted, either


@dataclass(frozen=True)
class PaletteCheck:
    """Compares the palettes of masks with that of one mask.

    Attributes:
        reference: the mask; if it is None or has no palette, nothing is compared.
    """

    reference: StoredMask | None

    def compare(self, mask: StoredMask) -> None:
        """Make a remark if a value that occurs in both masks has different colours in them."""
        ours = self.reference.palette if self.reference is not None else {}
        theirs = mask.palette
        if any(theirs[index] != ours[index] for index in ours.keys() & theirs.keys()):
            say(MASK_PALETTES_DIFFER, _text, brief=_brief, examples=[mask.sample_id])


def _text(count: int) -> str:
    return (
        f"{counted(count, 'mask')} {either(count, 'has', 'have')} another colour for a value than the first mask has; "
        "if the colours mean classes and not the values, list them in a card as `colours`"
    )


def _brief(count: int) -> str:
    return f"palettes differ in {counted(count, 'mask')}"
