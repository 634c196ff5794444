"""Loads dual encoders as ONNX graphs, in the layouts that people deploy, with onnxruntime. Runs call it.

A spec is a local folder or a hub repository. :mod:`.layout` chooses the graphs, :mod:`.ports` reads from them what they
take and give, and :mod:`.checks` tries them. Image transform and tokenizer are read from the files beside them. A graph
is data: no library with operators of others is loaded, and no code of a repository runs unless the user allows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions
from vlmbench.models.hub_access import hub_access
from vlmbench.models.onnx.checkpoint import CONFIG, Checkpoint, open_checkpoint
from vlmbench.models.onnx.checks import ONE_BY_ONE_OPTION, checked, different, refuse_fused, tell_one_by_one
from vlmbench.models.onnx.images import ImageTransform, image_transform
from vlmbench.models.onnx.layout import IMAGE_GRAPH, TEXT_GRAPH, VARIANT, choose_graphs
from vlmbench.models.onnx.model import OnnxModel, identity, image_rows
from vlmbench.models.onnx.ports import (
    PIXELS,
    feature_output,
    image_inputs,
    refuse_others,
    refuse_unprojected,
    text_inputs,
)
from vlmbench.models.onnx.probes import TEXTS, pictures
from vlmbench.models.onnx.scale import BIAS, SCALE, logit_scale, measured_scale
from vlmbench.models.onnx.session import Session, providers_for
from vlmbench.models.onnx.texts import TextReader, text_reader
from vlmbench.models.onnx.tower import Rows, Tower
from vlmbench.models.options import Kinds, check_options

OPTIONS: Mapping[str, Kinds] = {
    "revision": (str,),
    VARIANT: (str,),
    IMAGE_GRAPH: (str,),
    TEXT_GRAPH: (str,),
    "image_output": (str,),
    "text_output": (str,),
    "context_length": (int,),
    "lowercase": (bool,),
    SCALE: (int, float),
    BIAS: (int, float),
    "providers": (list,),
    ONE_BY_ONE_OPTION: (bool,),
}
"""``revision``: of the hub repository. ``variant``: ``fp16``, ``quantized``, …; ``fp32`` is the plain one.
``image_graph``, ``text_graph``: files inside the folder. ``image_output``, ``text_output``: outputs with the features.
``providers``: of onnxruntime, in order. ``one_by_one``: never give a graph more than one image or text at a time."""


def load(card: ModelCard, options: LoadOptions) -> OnnxModel:
    """Load a model.

    Raises:
        ModelError: an option is unknown; a file is missing, broken or not to be fetched; a graph cannot be run on the
            device, or its features cannot be trusted.
        MissingDependencyError: the tokenizer needs a package that is not installed.
    """
    check_options(card, OPTIONS)
    device = torch.device(options.device)
    providers = providers_for(device, card.options.get("providers"))
    with hub_access(offline=options.offline):
        checkpoint = open_checkpoint(card.spec, card.options.get("revision", "main"), options)
        names = choose_graphs(checkpoint, card.options)
        files = [checkpoint.graph(name) for name in dict.fromkeys((names.image, names.text))]
        sessions = [Session(file, providers) for file in files]
        towers = _towers(card, sessions)
        _refuse_unprojected(towers, checkpoint)
        transform = image_transform(checkpoint, options)
        reader = text_reader(checkpoint, card, towers[1].inputs)
    images, texts = _probes(towers, transform, reader)
    towers = _beside(towers, images, texts)
    (image_tower, of_images), (text_tower, of_texts) = checked(towers[0], images), checked(towers[1], texts)
    if names.single:
        refuse_fused(image_tower, images, of_images, _last(texts))
        refuse_fused(text_tower, texts, of_texts, _last(images))
    if of_images.shape[1] != of_texts.shape[1]:
        raise ModelError(
            f"{checkpoint.spec}: features of images have {of_images.shape[1]} dimensions and those of texts "
            f"{of_texts.shape[1]}, so they are not in one space",
            hint="Export both towers with their projections, or set the model options image_output and text_output.",
        )
    measured = _measured(towers, images, texts, of_images @ of_texts.T) if names.single else None
    towers = (image_tower, text_tower)
    return OnnxModel(
        card,
        device,
        towers,
        transform,
        reader,
        identity(files, towers, transform, reader, checkpoint.commit),
        int(of_images.shape[1]),
        logit_scale(card.options, measured),
    )


def _towers(card: ModelCard, sessions: list[Session]) -> tuple[Tower, Tower]:
    image, text = sessions[0], sessions[-1]
    of_text = text_inputs(text)
    of_image = image_inputs(image, tuple(of_text.names.values()) if image is text else ())
    for session in sessions:
        sides = [side for side, own in ((of_image, image), (of_text, text)) if own is session]
        refuse_others(session, [name for side in sides for name in side.names.values()])
    alone = bool(card.options.get(ONE_BY_ONE_OPTION))
    towers = (
        Tower(image, "image", feature_output(image, "image", card.options.get("image_output")), of_image),
        Tower(text, "text", feature_output(text, "text", card.options.get("text_output")), of_text),
    )
    return _at_once(towers[0], alone), _at_once(towers[1], alone)


def _at_once(tower: Tower, alone: bool) -> Tower:
    """The tower with the number of rows that its graph takes at once. A remark tells of a frozen batch."""
    batch = tower.inputs.batch
    if batch == 1:
        tell_one_by_one(tower, "takes only one at a time")
        return tower.one_by_one()
    if batch is not None and alone:
        raise ModelError(
            f"{tower.session.file} takes {batch} {tower.side}s at once, so the model option {ONE_BY_ONE_OPTION} does "
            "not fit"
        )
    return tower.one_by_one() if alone else tower if batch is None else tower.by(batch)


def _refuse_unprojected(towers: tuple[Tower, Tower], checkpoint: Checkpoint) -> None:
    config = checkpoint.json(CONFIG)
    for tower in towers:
        refuse_unprojected(tower.session.file, tower.side, tower.output, config)


def _probes(towers: tuple[Tower, Tower], transform: ImageTransform, reader: TextReader) -> tuple[Rows, Rows]:
    made = [image_rows(transform.apply(picture), towers[0]) for picture in pictures()]
    images = {name: torch.stack([each[name] for each in made]) for name in made[0]}
    _refuse_other_size(towers[0], images[PIXELS])
    texts = different(reader.rows(TEXTS, towers[1].inputs))
    if len(next(iter(texts.values()))) < 2:
        raise ModelError(
            f"the tokenizer of {towers[1].session.file} gives all of {len(TEXTS)} different texts the same ids",
            hint="The tokenizer's files may be those of another model.",
        )
    return images, texts


def _refuse_other_size(tower: Tower, pixels: Tensor) -> None:
    wanted, made = tower.inputs.size, tuple(pixels.shape[-2:])
    if any(each is not None and each != size for each, size in zip(wanted, made, strict=False)):
        raise ModelError(
            f"{tower.session.file} takes images of {' x '.join(str(each or 'any') for each in reversed(wanted))} "
            f"pixels, but the image transform makes {made[1]} x {made[0]}",
            hint="The graph and the file of the image transform belong to two models, or one of them was edited.",
        )


def _beside(towers: tuple[Tower, Tower], images: Rows, texts: Rows) -> tuple[Tower, Tower]:
    """Give each side of a graph with both inputs something for the inputs of the other side."""
    image, text = towers
    if image.session is not text.session:
        return towers
    return image.given_beside(text.inputs, _first(texts)), text.given_beside(image.inputs, _first(images))


def _measured(towers: tuple[Tower, Tower], images: Rows, texts: Rows, cosines: Tensor) -> tuple[float, float] | None:
    image, text = towers
    if image.at_once is not None or text.at_once is not None:
        return None
    count = min(len(cosines), cosines.shape[1])  # in case the exporter gave both sides one name for their number
    feeds: dict[str, Any] = {
        side.inputs.names[name]: value[:count]
        for side, rows in ((image, images), (text, texts))
        for name, value in rows.items()
    }
    return measured_scale(image.session, feeds, cosines[:count, :count])


def _first(rows: Rows) -> Rows:
    return {name: value[:1] for name, value in rows.items()}


def _last(rows: Rows) -> Rows:
    return {name: value[-1:] for name, value in rows.items()}
