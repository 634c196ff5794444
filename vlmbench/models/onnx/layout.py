"""Chooses the graphs of a model among its files. The adapter uses it.

Known layouts: optimum's ``model.onnx`` with both inputs; ``vision_model.onnx`` and ``text_model.onnx`` of
transformers.js and the hub's onnx-community; ``visual.onnx`` and ``textual.onnx`` of clip-as-service. All may be in the
folder ``onnx``, and may have variants such as ``vision_model_fp16.onnx``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.models.onnx.checkpoint import Checkpoint
from vlmbench.registry import did_you_mean
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import SEVERAL_WEIGHTS
from vlmbench.wording import counted, listed

IMAGE_GRAPH, TEXT_GRAPH, VARIANT = "image_graph", "text_graph", "variant"
"""Model options: files of the graphs, and the variant, such as ``quantized``."""
PLAIN = "fp32"
"""The name of the variant whose files have no suffix, as transformers.js calls it."""
_PAIRS = (("vision_model", "text_model"), ("visual", "textual"))
_SINGLE = "model"
_FOLDERS = ("onnx/", "")


@dataclass(frozen=True)
class Graphs:
    """The names of a model's graphs; both are the same file if it has both inputs."""

    image: str
    text: str

    @property
    def single(self) -> bool:
        return self.image == self.text


def choose_graphs(checkpoint: Checkpoint, options: Mapping[str, Any]) -> Graphs:
    """Choose the graphs. A remark names the other variants, unless an option chose.

    Raises:
        ModelError: there are no graphs of a known layout, half of a pair is missing, or an option names no file.
    """
    named = [options.get(name) for name in (IMAGE_GRAPH, TEXT_GRAPH)]
    if any(named):
        return _named(checkpoint, *named, variant=options.get(VARIANT))
    for folder in _FOLDERS:
        for stems in (*_PAIRS, (_SINGLE, _SINGLE)):
            image, text = (_variants(checkpoint.names, folder + stem) for stem in stems)
            if image or text:
                return _of_variant(checkpoint, image, text, options.get(VARIANT))
    raise _no_graphs(checkpoint)


def _named(checkpoint: Checkpoint, image: str | None, text: str | None, *, variant: str | None) -> Graphs:
    if image is None or text is None:
        given, missing = (IMAGE_GRAPH, TEXT_GRAPH) if image else (TEXT_GRAPH, IMAGE_GRAPH)
        raise ModelError(
            f"the model option {given} needs {missing} beside it",
            hint="If one file has both inputs, name it in both.",
        )
    if variant is not None:
        raise ModelError(f"the model option {VARIANT} has no effect beside {IMAGE_GRAPH} and {TEXT_GRAPH}: remove it")
    for option, name in ((IMAGE_GRAPH, image), (TEXT_GRAPH, text)):
        if not checkpoint.has(name):
            there = sorted(each for each in checkpoint.names if each.endswith(".onnx"))
            raise ModelError(
                f"the model option {option} is {name!r}, but {checkpoint.spec} has no such file",
                hint=did_you_mean(name, there) or (f"It has {listed(there, most=8)}." if there else None),
            )
    return Graphs(image, text)


def _variants(names: Iterable[str], stem: str) -> dict[str, str]:
    """The files of one graph, by their variants."""
    pattern = re.compile(rf"{re.escape(stem)}(?:_(?P<variant>[A-Za-z0-9]+))?\.onnx")
    found = ((pattern.fullmatch(name), name) for name in names)
    return {match["variant"] or PLAIN: name for match, name in found if match}


def _of_variant(
    checkpoint: Checkpoint, image: Mapping[str, str], text: Mapping[str, str], variant: str | None
) -> Graphs:
    both = sorted(image.keys() & text.keys())
    if variant is not None and variant not in both:
        half = image.get(variant) or text.get(variant)
        raise ModelError(
            f"{checkpoint.spec} has no graphs of the variant {variant!r}" + (f" but {half}" if half else ""),
            hint=did_you_mean(variant, both) or _of_half(image, text),
        )
    if not both:
        raise ModelError(
            f"{checkpoint.spec} has {listed(sorted({*image.values(), *text.values()}), most=6)}, which are graphs of "
            f"{'images' if image else 'texts'} only, or of different variants",
            hint=_of_half(image, text),
        )
    taken = variant or (PLAIN if PLAIN in both else both[0])
    if variant is None and taken != PLAIN and checkpoint.partial:
        raise ModelError(
            f"this machine's cache has only the variant {taken!r} of the graphs of {checkpoint.spec}, and without "
            "--offline the plain one would be loaded",
            hint=f"Set the model option {VARIANT}: {taken} in a card, or run once without --offline.",
        )
    if variant is None and len(both) > 1:
        if PLAIN not in both:
            raise ModelError(
                f"{checkpoint.spec} has several variants of the graphs, and none is the plain one: {listed(both)}",
                hint=f"Choose one: set the model option {VARIANT}: {taken} in a card.",
            )
        _tell_of_others(image[taken], [name for name in both if name != taken])
    return Graphs(image[taken], text[taken])


def _of_half(image: Mapping[str, str], text: Mapping[str, str]) -> str:
    return (
        f"Set the model options {IMAGE_GRAPH} and {TEXT_GRAPH} in a card."
        if image and text
        else f"Export the {'text' if image else 'image'} tower, too."
    )


def _tell_of_others(taken: str, others: Sequence[str]) -> None:
    say(
        SEVERAL_WEIGHTS,
        f"beside {PurePosixPath(taken).name} there {'is' if len(others) == 1 else 'are'} "
        f"{counted(len(others), 'other variant')} of the graphs. The plain one was loaded. The model option {VARIANT} "
        "picks another",
        brief=f"1 of {len(others) + 1} variants: {PLAIN}",
        count=len(others),
        examples=others,
    )


def _no_graphs(checkpoint: Checkpoint) -> ModelError:
    there = sorted(name for name in checkpoint.names if name.endswith(".onnx"))
    if there:
        return ModelError(
            f"{checkpoint.spec} has no graphs under the usual names; it has {listed(there, most=6)}",
            hint=f"Set the model options {IMAGE_GRAPH} and {TEXT_GRAPH} in a card.",
        )
    return ModelError(
        f"{checkpoint.spec} has no ONNX graph",
        hint="It should have onnx/vision_model.onnx and onnx/text_model.onnx, visual.onnx and textual.onnx, or "
        "model.onnx with both inputs.",
    )
