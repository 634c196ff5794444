"""Masks of single objects as COCO's compressed run lengths.

Datasets state them, models answer with them, and the metrics of detection compare them.
"""

from vlmbench.run_lengths.masks import RunLengths, areas, check, compressed, outlined, overlaps

__all__ = ["RunLengths", "areas", "check", "compressed", "outlined", "overlaps"]
