"""Checks two capabilities of image towers: BytePixels (images travel as bytes) and DenseEncoder (patch features).

:func:`vlmbench.testing.check_model` calls them.
"""

from __future__ import annotations

import PIL.Image
import torch
from torch import Tensor

from vlmbench.errors import ModelError, UnknownNameError
from vlmbench.models.base import BytePixels, DenseEncoder, Model, Pixels, VisionLanguageModel, lacks_encoders
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.features import apart, require_features, same_pixels, stacked, to_device
from vlmbench.testing.conformance import Inspection

_PATCHES = ((2, 3), (4, 2))
"""The numbers of rows and columns of patches that the images have."""


def check_byte_pixels(
    inspection: Inspection, model: VisionLanguageModel, offered: BytePixels, *, rounding: float
) -> None:
    """Check that images that travel as bytes become the pixels of preprocess, equal to the last bit."""
    pictures = [*inputs.images(), *map(inputs.image_of_mode, inputs.MODES)]
    with inspection.promise(
        "BytePixels: to_bytes gives uint8 for an image of any mode, and from_bytes gives exactly preprocess's pixels",
        fix="Let to_bytes stop before ToTensor. Let from_bytes divide by 255 and normalise as torchvision does.",
    ):
        halves = [offered.to_bytes(picture) for picture in pictures]
        tensors = [each for half in halves for each in (half.values() if isinstance(half, dict) else [half])]
        inspection.require(
            any(isinstance(each, Tensor) and each.dtype == torch.uint8 for each in tensors), "no tensor is uint8"
        )
        whole = stacked([model.preprocess(picture) for picture in pictures])
        made = offered.from_bytes(to_device(stacked(halves), model.device))
        inspection.require(same_pixels(_on_cpu(made), whole), "the pixels differ from those of preprocess")


def _on_cpu(pixels: Pixels) -> Pixels:
    return to_device(pixels, torch.device("cpu"))


def check_dense(inspection: Inspection, model: Model, dense: DenseEncoder, *, rounding: float) -> None:
    """Check the patch features of every readout."""
    before = len(inspection.broken)
    with inspection.promise(
        "DenseEncoder: readouts is a tuple of different names, and patch_size is a number of pixels",
        fix="Name at least one readout; the first is the default.",
    ):
        names, size = dense.readouts, dense.patch_size
        inspection.require(
            isinstance(names, tuple) and names and all(isinstance(name, str) and name for name in names),
            f"readouts is {names!r}",
        )
        inspection.require(len(set(names)) == len(names), f"readouts has a name twice: {names}")
        inspection.require(isinstance(size, int) and size > 0, f"patch_size is {size!r}")
    with inspection.promise(
        "DenseEncoder: normalise gives (3, H, W) float32 at the image's own size, for an image of any mode",
        fix="Only normalise with the model's mean and standard deviation. Do not resize or crop.",
    ):
        for picture in (*inputs.images(4), *map(inputs.image_of_mode, inputs.MODES)):
            found, shape = dense.normalise(picture), (3, picture.height, picture.width)
            inspection.require(
                isinstance(found, Tensor) and tuple(found.shape) == shape and found.dtype == torch.float32,
                f"an image of mode {picture.mode} gives {getattr(found, 'dtype', type(found))} of shape "
                f"{tuple(getattr(found, 'shape', ()))}, not float32 of {shape}",
            )
    if len(inspection.broken) > before:
        return
    with torch.inference_mode():
        for readout in dense.readouts:
            _check_readout(inspection, model, dense, readout, rounding)
        batch = _batch(dense, 2, *_PATCHES[0]).to(model.device)
        with inspection.promise(
            "DenseEncoder: an unknown readout raises UnknownNameError, and a cut patch raises ModelError",
            fix="Raise these errors of vlmbench.errors before any work.",
        ):
            with inspection.require_error(UnknownNameError, "an unknown readout is accepted"):
                dense.encode_patches(batch, "no such readout")
            if dense.patch_size > 1:
                with inspection.require_error(
                    ModelError, "a width that is not a multiple of the patch size is accepted"
                ):
                    dense.encode_patches(batch[..., :-1], dense.readouts[0])
        if lacks_encoders(model) is None:
            _check_image_features_stay(inspection, model, dense, batch)  # type: ignore[arg-type]


def _batch(dense: DenseEncoder, count: int, rows: int, columns: int) -> Tensor:
    """Images (B, 3, H, W) with this number of rows and columns of patches, normalised by the model."""
    size = (columns * dense.patch_size, rows * dense.patch_size)
    pictures = [picture.resize(size, PIL.Image.Resampling.BILINEAR) for picture in inputs.images(count)]
    return torch.stack([dense.normalise(picture) for picture in pictures])


def _check_readout(inspection: Inspection, model: Model, dense: DenseEncoder, readout: str, rounding: float) -> None:
    with inspection.promise(
        f"DenseEncoder: readout {readout!r} gives (B, D, h, w), a unit-length feature a patch, the same each time",
        fix="Return one feature for each patch, normalised over D, and compute each image on its own.",
    ):
        for rows, columns in _PATCHES:
            batch = _batch(dense, 3, rows, columns).to(model.device)
            found = dense.encode_patches(batch, readout)
            dim = getattr(model, "embedding_dim", found.shape[1])
            require_features(inspection, found, (3, dim, rows, columns), model.device, dim=1)
            difference = apart(dense.encode_patches(batch, readout), found)
            inspection.require(difference <= rounding, f"the second call differs by up to {difference:.3g}")
            alone = torch.cat([dense.encode_patches(each[None], readout) for each in batch])
            difference = apart(alone, found)
            inspection.require(difference <= rounding, f"encoded alone, images differ by up to {difference:.3g}")


def _check_image_features_stay(
    inspection: Inspection, model: VisionLanguageModel, dense: DenseEncoder, batch: Tensor
) -> None:
    with inspection.promise(
        "DenseEncoder: encode_image gives the same features before and after encode_patches",
        fix="Remove hooks and restore weights afterwards, because a readout must not change the tower.",
    ):
        pixels = to_device(stacked([model.preprocess(each) for each in inputs.images(2)]), model.device)
        before = model.encode_image(pixels)
        for readout in dense.readouts:
            dense.encode_patches(batch, readout)
            difference = apart(model.encode_image(pixels), before)
            inspection.require(not difference, f"after the readout {readout!r} they differ by up to {difference:.3g}")
