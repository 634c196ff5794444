"""Decodes masks in COCO's run-length code, and checks them. Readers of results files use it.

pycocotools does not check a code: one with a height of 0 ends the whole program. So a code from a file is decoded here
before it is given to pycocotools.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_PIXELS = 2**31
_FIRST, _LAST = 48, 48 + 63
"""The characters of the code: each stands for 6 bits."""
_MOST_PARTS = 7
"""Runs of less than 2 ** 32 pixels have at most 7 characters."""


@dataclass(frozen=True)
class RunLengths:
    """A mask as the lengths of runs of equal pixels, column by column. The first run is of pixels outside the object.

    Attributes:
        height, width: the size of the mask.
        counts: the lengths; their sum is the number of pixels.
    """

    height: int
    width: int
    counts: NDArray[np.int64]

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of the object; four zeros if it has no pixel."""
        ends = np.cumsum(self.counts)[1::2]
        starts = ends - self.counts[1::2]
        starts, ends = starts[starts < ends], ends[starts < ends]
        if not len(starts):
            return 0.0, 0.0, 0.0, 0.0
        first, last = starts // self.height, (ends - 1) // self.height
        in_one = first == last  # a run that goes on in the next column touches the bottom and the top
        top = int(np.where(in_one, starts % self.height, 0).min())
        bottom = int(np.where(in_one, (ends - 1) % self.height, self.height - 1).max())
        left, right = int(first.min()), int(last.max())
        return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def run_lengths(code: Any) -> RunLengths:
    """Decode ``{"size": [height, width], "counts": …}``, where counts are a string (compressed) or a list of lengths.

    Raises:
        ValueError: it is not such a code, or its runs do not fill the mask.

    >>> run_lengths({"size": [2, 3], "counts": [1, 2, 3]}).xywh
    (0.0, 0.0, 2.0, 2.0)
    """
    size, counts = (code.get("size"), code.get("counts")) if isinstance(code, dict) else (None, None)
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(type(side) is int for side in size)):
        raise ValueError("a mask needs a size of height and width")
    height, width = size
    if min(height, width) < 1 or height * width > MOST_PIXELS:
        raise ValueError(f"a mask cannot have {height} x {width} pixels")
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    lengths = _decompressed(counts) if isinstance(counts, str) else counts
    if not (isinstance(lengths, list) and all(type(count) is int and 0 <= count <= MOST_PIXELS for count in lengths)):
        raise ValueError("the counts of a mask must be lengths of runs")
    if (filled := sum(lengths)) != height * width:
        raise ValueError(f"the runs of a mask have {filled:,} pixels, but its size is {height} x {width}")
    return RunLengths(height, width, np.array(lengths, dtype=np.int64))


def _decompressed(text: str) -> list[int]:
    """The lengths in a compressed code. From the fourth on, each is stored as its difference to the last but one.

    A number has its lowest 5 bits first. The sixth bit of a character says that more follow, and the fifth bit of the
    last character is the sign.
    """
    lengths: list[int] = []
    value = parts = 0
    for letter in text:
        bits = ord(letter) - _FIRST
        if not 0 <= bits <= _LAST - _FIRST or parts >= _MOST_PARTS:
            raise ValueError("the counts of a mask are not COCO's compressed code")
        value |= (bits & 31) << 5 * parts
        parts += 1
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << 5 * parts
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
        value = parts = 0
    if parts:
        raise ValueError("the counts of a mask end in the middle of a number")
    return lengths
