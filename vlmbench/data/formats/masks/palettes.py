"""Whether the palettes of a dataset's masks mean the same: where each file has its own, indices are no classes."""

from __future__ import annotations

from dataclasses import dataclass

from vlmbench.data.formats.masks.stored import StoredMask
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MASK_PALETTES_DIFFER


@dataclass(frozen=True)
class PaletteCheck:
    """Compares masks with one of them.

    Attributes:
        reference: the mask; None, or one without a palette, compares with nothing.
    """

    reference: StoredMask | None

    def compare(self, mask: StoredMask) -> None:
        """Make a remark if a value that both hold has another colour in each."""
        ours = self.reference.palette if self.reference is not None else {}
        theirs = mask.palette
        if any(theirs[index] != ours[index] for index in ours.keys() & theirs.keys()):
            say(MASK_PALETTES_DIFFER, _text, brief=_brief, examples=[mask.sample_id])


def _text(count: int) -> str:
    what = "1 mask gives a value" if count == 1 else f"{count:,} masks give a value"
    return (
        f"{what} another colour than the first mask does; if colours mean classes, list them in a card as `colours`, "
        "since the values then do not"
    )


def _brief(count: int) -> str:
    return f"palettes differ in {count:,} mask{'s' * (count != 1)}"
