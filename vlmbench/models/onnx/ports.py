"""Finds out which inputs of a graph take pixels and token ids, and which output holds the features.

The adapter uses it. Exporters name inputs and outputs in different ways, so names are used only where types and numbers
of dimensions cannot decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import ModelError
from vlmbench.models.onnx.session import TORCH_TYPES, Session, fixed, shape_of
from vlmbench.registry import did_you_mean
from vlmbench.wording import listed

Side = Literal["image", "text"]

PIXELS = "pixel_values"
IDS, MASK = "input_ids", "attention_mask"
"""The usual names of inputs, which the library's processors and tokenizers use, too."""
POSITIONS, TYPES = "position_ids", "token_type_ids"
_TEXT_INPUTS = (IDS, MASK, POSITIONS, TYPES)
_POOLED = ("pooler_output", "pooled_output")
_OUTPUTS: Mapping[Side, Sequence[str]] = {
    "image": ("image_embeds", "image_features", "image_embeddings", "image_embedding", *_POOLED),
    "text": ("text_embeds", "text_features", "text_embeddings", "text_embedding", *_POOLED),
}
"""Names of outputs with features in the shared space, best first."""
LOGITS = "logits_per_image"
_IMAGE_RANK, _TEXT_RANK, _FEATURE_RANK = 4, 2, 2
_CHANNELS = 3


@dataclass(frozen=True)
class Inputs:
    """The inputs of one side of a model.

    Attributes:
        names: what each is filled with (a usual name), to the graph's name of it.
        batch: the fixed number of images or texts; None if it may vary.
        batch_name: the graph's name of that number if it may vary, which two inputs may share.
        size: of images: fixed height and width; of texts: the fixed number of tokens; None each if they may vary.
    """

    names: Mapping[str, str]
    batch: int | None
    batch_name: str | None
    size: tuple[int | None, ...]


def image_inputs(session: Session, taken: Sequence[str] = ()) -> Inputs:
    """The inputs that an image fills.

    Args:
        taken: names of inputs that texts fill.

    Raises:
        ModelError: no input takes pixels, or several could, or they have a type or order that vlmbench cannot fill.
    """
    left = {name: port for name, port in session.inputs.items() if name not in taken}
    pixels = PIXELS if PIXELS in left else _only(session, left, _IMAGE_RANK, "an image", "float")
    port = left[pixels]
    _check_type(session, pixels)
    if not TORCH_TYPES[port.type].is_floating_point:
        raise ModelError(
            f"{session.file}: the input {pixels} takes {port.type}, so the graph has an image transform of its own",
            hint="Export the model without its image transform.",
        )
    batch, *rest = shape_of(port) or (None,)
    if len(rest) == _CHANNELS and fixed(rest[-1]) == _CHANNELS != fixed(rest[0]):
        raise ModelError(
            f"{session.file}: the input {pixels} has its colours last ({_shown(port)}), and vlmbench gives them first",
            hint="Export the model with pixels of the shape (batch, 3, height, width).",
        )
    others = [name for name in left if name != pixels]
    for name in others:
        _check_type(session, name)
    return Inputs(
        {PIXELS: pixels, **{name: name for name in others}},
        fixed(batch),
        batch if isinstance(batch, str) else None,
        tuple(fixed(each) for each in rest[1:]) if len(rest) == _CHANNELS else (),
    )


def text_inputs(session: Session) -> Inputs:
    """The inputs that a text fills.

    Raises:
        ModelError: no input takes token ids, or several could, or a type cannot be filled.
    """
    known = {name: name for name in _TEXT_INPUTS if name in session.inputs}
    if IDS not in known:
        rest = {name: port for name, port in session.inputs.items() if name not in known}
        known = {IDS: _only(session, rest, _TEXT_RANK, "the ids of tokens", "int"), **known}
    for name in known.values():
        _check_type(session, name)
    if "int" not in session.inputs[known[IDS]].type:
        raise ModelError(f"{session.file}: the input {known[IDS]} takes {session.inputs[known[IDS]].type}, not ids")
    batch, *rest_of_shape = shape_of(session.inputs[known[IDS]]) or (None, None)
    return Inputs(
        known,
        fixed(batch),
        batch if isinstance(batch, str) else None,
        tuple(fixed(each) for each in rest_of_shape[:1]),
    )


def refuse_others(session: Session, filled: Sequence[str]) -> None:
    """Refuse a graph with inputs that nothing fills.

    Raises:
        ModelError: there is such an input.
    """
    if unknown := [name for name in session.inputs if name not in filled]:
        raise ModelError(
            f"{session.file} needs {listed(unknown)}, which vlmbench cannot fill. Its inputs are {_listing(session)}",
            hint="Export the model so that its graphs take only images, or only texts.",
        )


def feature_output(session: Session, side: Side, asked: str | None) -> str:
    """The output that holds the features of one side.

    Args:
        asked: the model option ``image_output`` or ``text_output``.

    Raises:
        ModelError: no output is known to hold them, or the named one does not exist.
    """
    if asked is not None:
        if asked not in session.outputs:
            raise ModelError(
                f"the model option {side}_output is {asked!r}, but {session.file} has no such output",
                hint=did_you_mean(asked, session.outputs) or None,
            )
        return asked
    for name in _OUTPUTS[side]:
        if name in session.outputs:
            return name
    usual = {name: port for name, port in session.outputs.items() if len(shape_of(port)) == _FEATURE_RANK}
    unsure = {name: port for name, port in session.outputs.items() if not shape_of(port)}
    if len(usual) == 1 and not unsure:
        return next(iter(usual))
    if len(session.outputs) == 1 and unsure:
        return next(iter(unsure))
    outputs = listed([f"{name} {_shown(port)}" for name, port in session.outputs.items()])
    raise ModelError(
        f"{session.file}: none of its outputs is known to hold the features of {side}s: {outputs}",
        hint=f"Set the model option {side}_output in a card. The features must be in the space that images and texts "
        "share: one row for each image or text.",
    )


def refuse_unprojected(file: Path, side: Side, output: str, config: Mapping[str, Any]) -> None:
    """Refuse the output of a tower before its projection into the shared space.

    ``CLIPVisionModel`` and ``CLIPTextModel`` of transformers return it as ``pooler_output``. A model has a projection
    if its configuration has a ``projection_dim``; SigLIP has none.

    Raises:
        ModelError: it is that output.
    """
    if output in _POOLED and "projection_dim" in config:
        raise ModelError(
            f"{file}: its output {output} comes before the projection into the space that images and texts share",
            hint=f"Export the tower with its projection (CLIP{'Vision' if side == 'image' else 'Text'}"
            f"ModelWithProjection), or set the model option {side}_output if the graph has it.",
        )


def _only(session: Session, inputs: Mapping[str, Any], rank: int, what: str, kind: str) -> str:
    found = [name for name, port in inputs.items() if len(shape_of(port)) == rank and kind in port.type]
    if len(found) != 1:
        reason = f"the inputs {listed(found)} could take {what}" if found else f"no input takes {what}"
        raise ModelError(
            f"{session.file}: {reason}. Its inputs are {_listing(session)}",
            hint="If this is the wrong file, name the right ones with the model options image_graph and text_graph.",
        )
    return found[0]


def _check_type(session: Session, name: str) -> None:
    kind = session.inputs[name].type
    if kind not in TORCH_TYPES:
        raise ModelError(
            f"{session.file}: the input {name} has the type {kind}, which vlmbench cannot fill",
            hint=f"It can fill {listed(list(TORCH_TYPES))}.",
        )


def _listing(session: Session) -> str:
    return listed([f"{name} {_shown(port)}" for name, port in session.inputs.items()]) or "none"


def _shown(port: Any) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in shape_of(port))
    return f"{port.type.removeprefix('tensor(').removesuffix(')')} ({sizes})"
