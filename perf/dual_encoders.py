"""Times the image stage of dual encoders of transformers and the forward pass alone on ready tensors, family by family.

The networks have the size of ViT-B and random weights from a seed, so nothing is downloaded. Images are noise of many
shapes, which is slower to decode than photographs::

    python perf/dual_encoders.py
    python perf/dual_encoders.py --families siglip2 blip --images 64
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import PIL.Image
import tokenizers
import torch
import transformers
from images import InMemory
from side_by_side import Way, show, take_turns
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.data.formats.decode import decode_image
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.images.stream import encode_images
from vlmbench.features.precision import forward_pass
from vlmbench.features.progress import Silent
from vlmbench.features.settings import EngineSettings
from vlmbench.models.base import Pixels
from vlmbench.models.transformers.families import family_of
from vlmbench.models.transformers.family import Parts

WORDS = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "a", "photo", "of"])}
TEXT = {"vocab_size": len(WORDS), "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
"""Texts are not timed, so their towers are small."""
HEADS = {"num_attention_heads": 2}
SIDES = [(320, 240), (240, 320), (400, 300), (500, 375), (300, 300)]


def siglip2(layers: int) -> tuple[Any, Any]:
    text = {**TEXT, **HEADS, "projection_size": 768}
    config = transformers.Siglip2Config(text_config=text, vision_config={"num_hidden_layers": layers})
    return transformers.Siglip2Model(config), transformers.Siglip2ImageProcessor()


def siglip(layers: int) -> tuple[Any, Any]:
    text = {**TEXT, **HEADS, "projection_size": 768}
    config = transformers.SiglipConfig(text_config=text, vision_config={"num_hidden_layers": layers})
    return transformers.SiglipModel(config), transformers.SiglipImageProcessor(size={"height": 224, "width": 224})


def aimv2(layers: int) -> tuple[Any, Any]:
    vision = {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": layers, "num_attention_heads": 6}
    text = {**TEXT, **HEADS, "eos_token_id": len(WORDS) - 1}
    config = transformers.Aimv2Config(text_config=text, vision_config=vision)
    return transformers.Aimv2Model(config), transformers.CLIPImageProcessor()


def tipsv2(layers: int) -> tuple[Any, Any]:
    size = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 12}
    vision = {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": layers, "image_size": 224}
    config = transformers.Tipsv2Config(text_config={**TEXT, **size}, vision_config=vision)
    return transformers.Tipsv2Model(config), transformers.Tipsv2ImageProcessor(size={"height": 224, "width": 224})


def blip(layers: int) -> tuple[Any, Any]:
    config = transformers.BlipConfig(
        text_config={**TEXT, **HEADS}, vision_config={"image_size": 224, "num_hidden_layers": layers}
    )
    processor = transformers.BlipImageProcessor(size={"height": 224, "width": 224})
    return transformers.BlipForImageTextRetrieval(config), processor


def vision_text(layers: int) -> tuple[Any, Any]:
    config = transformers.VisionTextDualEncoderConfig.from_vision_text_configs(
        transformers.ViTConfig(num_hidden_layers=layers), transformers.BertConfig(**TEXT, **HEADS)
    )
    network = transformers.VisionTextDualEncoderModel(config)
    return network, transformers.ViTImageProcessor(size={"height": 224, "width": 224})


FAMILIES: Mapping[str, Callable[[int], tuple[Any, Any]]] = {
    "siglip": siglip,
    "siglip2": siglip2,
    "aimv2": aimv2,
    "tipsv2": tipsv2,
    "vision-text-dual-encoder": vision_text,
    "blip": blip,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--layers", type=int, default=12, help="layers of the image tower; fewer are a harder test")
    parser.add_argument("--repetitions", type=int, default=3)
    asked = parser.parse_args()
    files = noise(asked.images)
    for name in asked.families:
        model = loaded(name, asked.layers)
        settings = EngineSettings(batch_size=asked.batch_size)
        ways = [
            Way("forward pass alone, on ready tensors", bare(model, files, asked.batch_size)),
            Way("vlmbench's image stage", stage(model, files, settings)),
        ]
        timings = take_turns(ways, asked.repetitions, warm_up=True)
        apart = float((timings[0].result - timings[1].result).abs().max())
        alone, whole = (timing.median for timing in timings)
        show(
            f"{name}: {len(files)} images, batches of {asked.batch_size}, {asked.layers} layers",
            timings,
            differences=[None, f"{apart:.1e}"],
            notes=[f"the stage has {alone / whole:.2f} of the speed of the forward pass"],
        )


def loaded(name: str, layers: int) -> Any:
    """The model that the adapter would make of a saved network."""
    torch.manual_seed(0)
    network, processor = FAMILIES[name](layers)
    family = family_of(name)
    assert family is not None
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    parts = Parts(
        card=ModelCard(name=name, adapter="transformers"),
        spec="",
        network=network.eval().requires_grad_(False),
        tokenizer=transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=16
        ),
        processor=processor,
        device=torch.device("cpu"),
    )
    return family.model(family, parts)


def noise(count: int) -> list[bytes]:
    """Encoded images of several shapes."""
    draw, files = np.random.default_rng(0), []
    for number in range(count):
        width, height = SIDES[number % len(SIDES)]
        stream = io.BytesIO()
        PIL.Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(stream, "JPEG")
        files.append(stream.getvalue())
    return files


def bare(model: Any, files: Sequence[bytes], batch_size: int) -> Callable[[], Tensor]:
    """The forward pass alone, on batches that are made before."""
    ready = [model.preprocess(decode_image(data, str(place))) for place, data in enumerate(files)]
    batches = [stacked(ready[first : first + batch_size]) for first in range(0, len(ready), batch_size)]

    def run() -> Tensor:
        with forward_pass(model.device, "fp32"):
            return torch.cat([model.encode_image(batch) for batch in batches])

    return run


def stacked(images: Sequence[Pixels]) -> Pixels:
    """One batch of images of one shape."""
    if isinstance(images[0], Mapping):
        return {name: torch.stack([image[name] for image in images]) for name in images[0]}
    return torch.stack(list(images))  # type: ignore[arg-type]  # all are tensors, as the first is


def stage(model: Any, files: Sequence[bytes], settings: EngineSettings) -> Callable[[], Tensor]:
    """The whole image stage, without a cache."""
    dataset = InMemory(files)

    def run() -> Tensor:
        features = torch.empty(len(files), model.embedding_dim)
        rows = range(len(files))
        for batch in encode_images(model, dataset, rows, settings, space=None, progress=Silent(), tally=ImageTally()):
            features[batch.indices] = batch.features
        return features

    return run


if __name__ == "__main__":
    main()
