"""Makes the image transform of a model from the files beside its graphs. The adapter uses it.

The transformers library reads ``preprocessor_config.json``; if it is not installed, :mod:`.plain_transform` does.
Folders with an ``open_clip_config.json`` and no preprocessor_config.json were exported from open_clip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import PIL.Image
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.base import BytePixels, LoadOptions
from vlmbench.models.hub_access import quiet_transformers
from vlmbench.models.onnx.checkpoint import OPEN_CLIP, PREPROCESSOR, Checkpoint
from vlmbench.models.onnx.plain_transform import plain_transform
from vlmbench.models.onnx.ports import PIXELS
from vlmbench.models.towers.byte_pixels import open_clip_bytes
from vlmbench.models.towers.described import one_line_repr
from vlmbench.rgb import as_rgb


@dataclass(frozen=True)
class ImageTransform:
    """An image to the inputs of a graph.

    Attributes:
        apply: maps an RGB image to tensors without a batch dimension, by the usual names of inputs.
        description: the transform in words, for a model's identity.
        byte_pixels: the same with bytes, if the transform allows it.
    """

    apply: Callable[[PIL.Image.Image], Mapping[str, Tensor]]
    description: str
    byte_pixels: BytePixels | None = None


def image_transform(checkpoint: Checkpoint, options: LoadOptions) -> ImageTransform:
    """Make a model's image transform.

    Raises:
        ModelError: no file states it, or the file is broken or needs the transformers library.
    """
    if checkpoint.has(PREPROCESSOR):
        if find_spec("transformers") is None:
            plain = plain_transform(checkpoint.path(PREPROCESSOR), checkpoint.json(PREPROCESSOR))
            return ImageTransform(lambda image: {PIXELS: plain(as_rgb(image))}, plain.description)
        return _of_library(checkpoint, options)
    if checkpoint.has(OPEN_CLIP):
        return _of_open_clip(checkpoint)
    raise ModelError(
        f"{checkpoint.spec} has no {PREPROCESSOR} and no {OPEN_CLIP}, so its image transform is unknown",
        hint="Copy the file from the model that was exported.",
    )


def _of_library(checkpoint: Checkpoint, options: LoadOptions) -> ImageTransform:
    import transformers

    from vlmbench.models.transformers.checkpoint import loaded

    folder = str(checkpoint.settings_folder())
    with quiet_transformers():
        processor = loaded(
            folder,
            options,
            "image processor",
            transformers.AutoImageProcessor,
            {"local_files_only": True, "trust_remote_code": options.trust_remote_code},
        )

    def apply(image: PIL.Image.Image) -> Mapping[str, Tensor]:
        # vlmbench's conversion to RGB knows value ranges, and a white background for transparent pixels.
        made = processor(images=as_rgb(image), return_tensors="pt", do_convert_rgb=True)
        return {name: value[0] for name, value in made.items() if isinstance(value, Tensor)}

    return ImageTransform(
        apply, f"{type(processor).__name__} {json.dumps(processor.to_dict(), sort_keys=True, default=str)}"
    )


def _of_open_clip(checkpoint: Checkpoint) -> ImageTransform:
    content: Mapping[str, Any] = checkpoint.json(OPEN_CLIP)
    try:
        vision = content["model_cfg"]["vision_cfg"]
        stated = {"size": vision.get("image_size", PreprocessCfg().size), **content.get("preprocess_cfg", {})}
        size = stated["size"]
        if isinstance(size, list):  # open_clip's own form, so that equal transforms have equal words
            stated["size"] = size[0] if len(set(size)) == 1 else tuple(size)
        colours = PreprocessCfg(**merge_preprocess_dict({}, stated))
        transform = image_transform_v2(colours, is_train=False)
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        raise ModelError(f"{checkpoint.spec}: {OPEN_CLIP} states no image transform: {error!r}") from error
    return ImageTransform(
        lambda image: {PIXELS: transform(as_rgb(image))},
        f"{colours} {one_line_repr(transform)}",
        open_clip_bytes(transform),
    )
