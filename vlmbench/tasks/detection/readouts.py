"""Computes the features of regions, from crops of the image or from the patch features in each region.

The detection plugin uses it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.decoded import Picture
from vlmbench.features.patches import patch_features
from vlmbench.models.base import DenseEncoder, Model, capability
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.regions import Regions
from vlmbench.wording import listed


def lacks_readout(model: Model, how: DetectionProtocol) -> str | None:
    """Why a model cannot give features of regions as the protocol asks, and what to do; None if it can."""
    if how.region_readout != "roi-align":
        return None
    encoder = capability(model, DenseEncoder)
    if encoder is None:
        return "it gives no patch features, which roi-align needs: use --set region_readout=crop"
    if how.readout is not None and how.readout not in encoder.readouts:
        return f"it has no readout {how.readout!r}. Use --readout with {listed(encoder.readouts, 'or')}"
    return None


def readout_name(model: Model, how: DetectionProtocol) -> str | None:
    """The name of the readout that is used with a model; None if it is not known or none is used."""
    if how.region_readout == "crop":
        return None
    encoder = capability(model, DenseEncoder)
    return how.readout or (encoder.readouts[0] if encoder is not None else None)


def region_features(engine: FeatureEngine, group: Sequence[Picture[Regions]], how: DetectionProtocol) -> list[Tensor]:
    """For each picture, the (R, D) features of its regions, unit length, read as the protocol asks."""
    pairs = [(picture.image, picture.truth.boxes) for picture in group]
    encoder = capability(engine.model, DenseEncoder)
    if how.region_readout == "crop" or encoder is None:
        return crop_features(engine, pairs, how.crop_scale)
    return [
        aligned_features(
            engine,
            encoder,
            image,
            boxes,
            longer_side=how.image_size,
            grid=how.roi_grid,
            readout=how.readout or encoder.readouts[0],
        )
        for image, boxes in pairs
    ]


def crop_features(
    engine: FeatureEngine, pictures: Sequence[tuple[PIL.Image.Image, Tensor]], scale: float
) -> list[Tensor]:
    """Crop each region, enlarged by ``scale``, and encode it like any other image.

    Args:
        engine: its model encodes the crops; a batch can have crops of several pictures.
        pictures: RGB images, each with the (R, 4) left, top, right, bottom of its regions, inside the image.
        scale: the crop's width and height as a multiple of the box's.

    Returns:
        For each picture, the (R, D) features of its regions, unit length.
    """
    cuts = [(image, box) for image, boxes in pictures for box in boxes.tolist()]
    step = engine.settings.batch_size
    encoded = [torch.empty(0, engine.encoders.embedding_dim)]
    for start in range(0, len(cuts), step):
        batch = cuts[start : start + step]
        encoded.append(engine.pixels([image.crop(cut_out(box, scale, image.size)) for image, box in batch]))
    return list(torch.split(torch.cat(encoded), [len(boxes) for _, boxes in pictures]))


def cut_out(box: list[float], scale: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """All pixels that an enlarged box touches, inside the image: left, top, right, bottom.

    >>> cut_out([10.2, 10.0, 19.9, 20.0], 1.0, (100, 100)), cut_out([0.0, 10.0, 10.0, 20.0], 2.0, (100, 18))
    ((10, 10, 20, 20), (0, 5, 15, 18))
    """
    left, top, right, bottom = box
    across, down = (right - left) * (scale - 1) / 2, (bottom - top) * (scale - 1) / 2
    return (
        max(0, math.floor(left - across)),
        max(0, math.floor(top - down)),
        min(size[0], math.ceil(right + across)),
        min(size[1], math.ceil(bottom + down)),
    )


def aligned_features(
    engine: FeatureEngine,
    encoder: DenseEncoder,
    image: PIL.Image.Image,
    boxes: Tensor,
    *,
    longer_side: int,
    grid: int,
    readout: str,
) -> Tensor:
    """The mean of the patch features that RoIAlign samples in each region (He et al. 2017), scaled to unit length.

    With a grid of 1 it is CLIPSelf's box readout: ``roi_align(features, boxes, (1, 1), 1.0, -1, True)`` of
    wusize/CLIPSelf src/training/zero_shot.py and its encoders. CLIPSelf pads the image; this function does not.

    Args:
        boxes: (R, 4) left, top, right, bottom, inside the image.
        longer_side: the longer side of the resized image, in pixels. Both sides are rounded to multiples of the patch
            size.
        grid: the number of cells on each side of a region.
        readout: the name of the encoder's readout.

    Returns:
        (R, D) features, on the CPU.
    """
    from torchvision.ops import roi_align

    if not len(boxes):
        return torch.empty(0, engine.encoders.embedding_dim)
    scale = longer_side / max(image.size)
    width, height = (
        max(1, round(side * scale / encoder.patch_size)) * encoder.patch_size for side in (image.width, image.height)
    )
    window = encoder.normalise(image.resize((width, height), PIL.Image.Resampling.BICUBIC))
    patches = patch_features(engine, encoder, [window], readout)
    ratio = torch.tensor([patches.shape[3] / image.width, patches.shape[2] / image.height] * 2)
    on_patches = (boxes * ratio).to(patches.device)
    cells = roi_align(patches, [on_patches], (grid, grid), spatial_scale=1.0, sampling_ratio=-1, aligned=True)
    return F.normalize(cells.mean(dim=(2, 3)), dim=1).cpu()
