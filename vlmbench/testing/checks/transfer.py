"""Checks a transfer method against :mod:`vlmbench.transfer.base`; authors of methods call :func:`check_transfer`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast, get_args

import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import Chosen, ImageDataset
from vlmbench.models.base import VisionLanguageModel
from vlmbench.prompts import PromptSet
from vlmbench.testing.checks.draws_and_options import (
    check_draws,
    check_nan,
    check_new_classes,
    check_options,
    engine_of,
)
from vlmbench.testing.checks.features import apart_in_size, different, stacked
from vlmbench.testing.checks.unchanged import changed, changed_weights, process_state, weights_of
from vlmbench.testing.conformance import Conformance, Inspection
from vlmbench.testing.toy_data import ToyImages, toy_dataset
from vlmbench.testing.toy_models import toy_model
from vlmbench.testing.toy_parts import ToyPatches
from vlmbench.transfer import METHODS
from vlmbench.transfer.base import (
    Classifier,
    FewShot,
    FitsDraws,
    Fitted,
    Reads,
    StatesOptions,
    TransferMethod,
    lacks_needs,
)
from vlmbench.transfer.inputs import READERS
from vlmbench.transfer.options import settle_options
from vlmbench.wording import listed

_SHOTS = 2
_TEMPLATES = ("a photo of a {}.", "{}")
_CLOSE = 1e-4
"""How far logits of the same image may be apart, as a share of the largest one above 1."""


def check_transfer(
    method: str | TransferMethod,
    *,
    model: VisionLanguageModel | None = None,
    shots: int = _SHOTS,
    options: Mapping[str, Any] | None = None,
) -> Conformance:
    """Check everything that a transfer method promises, on a toy support set.

    Args:
        method: its registered name, or the method itself.
        model: the model that is adapted; None: a toy model with patch features.
        shots: the number of images of each class in the support set; with 0 the support set is empty.
        options: settings of the method, such as fewer steps; None: its defaults.

    Raises:
        ConformanceError: promises are broken; it lists all of them.
    """
    found = METHODS.get(method) if isinstance(method, str) else method
    inspection = Inspection(f"the transfer method {getattr(found, 'name', type(found).__name__)!r}")
    with inspection.promise(
        "It states its name, version, needs, what it reads, and whether it scores new classes",
        fix="Set the five attributes of TransferMethod.",
    ):
        inspection.require(isinstance(found.name, str) and found.name, f"name is {found.name!r}")
        registered = not isinstance(method, str) or found.name == method
        inspection.require(registered, f"it is registered as {method!r}, but its name is {found.name!r}")
        inspection.require(isinstance(found.version, int) and found.version > 0, f"version is {found.version!r}")
        inspection.require(isinstance(found.needs, frozenset), f"needs is {found.needs!r}, not a frozenset")
        inspection.require(found.reads in get_args(Reads), f"reads is {found.reads!r}")
        inspection.require(
            isinstance(found.scores_new_classes, bool), f"scores_new_classes is {found.scores_new_classes!r}"
        )
    if not inspection.broken:
        adapted: VisionLanguageModel = model if model is not None else toy_model(DenseEncoder=ToyPatches())
        lacking = lacks_needs(found, adapted, options)
        if lacking is not None:
            inspection.skip("It fits a classifier", f"{lacking}; give a model that has it")
        else:
            _check_fit(inspection, found, adapted, shots, options or {})
    return inspection.conclude()


def _check_fit(
    inspection: Inspection,
    method: TransferMethod,
    model: VisionLanguageModel,
    shots: int,
    options: Mapping[str, Any],
) -> None:
    dataset = toy_dataset("class", samples=36)
    support = _support(dataset, shots, seed=0)
    prompts = PromptSet(dataset.classes or (), _TEMPLATES, "data", "default")
    torch.optim.SGD([torch.zeros(1)], lr=1.0)  # torch itself sets environment variables with the first optimiser
    weights, before = weights_of(model), process_state()

    def fit(support: FewShot) -> Classifier:
        return method.fit(engine_of(model), support, prompts, options)

    inputs = _inputs(method, model, dataset, options)
    if inputs is None:
        inspection.skip("It gives logits", f"this check has no input for a method that reads {method.reads}")
    classifiers, count = list[Classifier](), len(prompts.class_names)
    with inspection.promise("It fits a classifier", fix="Let fit work with an empty mapping of options."):
        classifiers.append(fit(support))
    if not classifiers:
        return
    classifier = classifiers[0]
    with inspection.promise("The classifier's scale is a number above 0", fix="Write 1.0 if it has no scale."):
        inspection.require(
            isinstance(classifier.scale, (int, float)) and classifier.scale > 0, f"it is {classifier.scale!r}"
        )
    if inputs is not None:
        _check_logits(inspection, classifier, inputs, count)
        _check_classes(inspection, method, model, support, prompts, options, inputs)
        with inspection.promise(
            "The same support set and seed give the same classifier",
            fix="Take random numbers from torch.Generator().manual_seed(support.seed).",
        ):
            torch.rand(7)  # so that a use of the process's random state changes the result
            difference = apart_in_size(fit(support).logits(inputs), classifier.logits(inputs))
            torch.set_rng_state(torch.frombuffer(bytearray(before["the random state of torch"]), dtype=torch.uint8))
            inspection.require(difference <= _CLOSE, f"logits differ by up to {difference:.3g}")
        fit_draws = partial(_fit_draws, method, model, prompts, options)
        supports = [support, _support(dataset, shots, seed=1)]
        check_draws(inspection, method, fit_draws, supports, inputs, _CLOSE)
        check_new_classes(
            inspection,
            method,
            lambda: fit_draws([support])[0],
            engine_of(model),
            prompts,
            options,
            inputs,
            _CLOSE,
        )
        check_nan(inspection, method, model, support, prompts, options, inputs)
    check_options(inspection, method, partial(_fit_with, method, model, support, prompts))
    with inspection.promise(
        "The model's weights are the same after fit", fix="Work on a copy of the model, or do not write to its weights."
    ):
        names = changed_weights(weights, weights_of(model))
        inspection.require(not names, f"{listed(names, most=3)} changed")
    with inspection.promise(
        "It changes no setting and no random state of the process",
        fix="Restore what you change, and draw random numbers from a generator of your own.",
    ):
        names = changed(before, process_state())
        inspection.require(not names, f"fit changed {listed(names)}")


def _fit_draws(
    method: TransferMethod,
    model: VisionLanguageModel,
    prompts: PromptSet,
    options: Mapping[str, Any],
    supports: Sequence[FewShot],
) -> Sequence[Fitted]:
    assert isinstance(method, FitsDraws)  # check_draws asks no other
    return method.fit_draws(engine_of(model), supports, prompts, options)


def _fit_with(
    method: TransferMethod,
    model: VisionLanguageModel,
    support: FewShot,
    prompts: PromptSet,
    options: Mapping[str, Any],
) -> Classifier:
    return method.fit(engine_of(model), support, prompts, options)


def _check_logits(inspection: Inspection, classifier: Classifier, inputs: Tensor, count: int) -> None:
    with inspection.promise(
        "logits gives finite float32 (B, C), and an image has the same logits alone and in a batch",
        fix="Return one column for each class of the prompts, and compute each image on its own.",
    ):
        logits = classifier.logits(inputs)
        wanted = (len(inputs), count)
        inspection.require(tuple(logits.shape) == wanted, f"the shape is {tuple(logits.shape)}, not {wanted}")
        inspection.require(logits.dtype == torch.float32, f"the type is {logits.dtype}")
        inspection.require(bool(torch.isfinite(logits).all()), "some logits are NaN or infinite")
        alone = torch.cat([classifier.logits(row[None]) for row in inputs])
        difference = apart_in_size(alone, logits)
        inspection.require(difference <= _CLOSE, f"alone they differ by up to {difference:.3g}")


def _check_classes(
    inspection: Inspection,
    method: TransferMethod,
    model: VisionLanguageModel,
    support: FewShot,
    prompts: PromptSet,
    options: Mapping[str, Any],
    inputs: Tensor,
) -> None:
    with inspection.promise(
        "Different images have different logits, and each class has its own column, in the order of the prompts",
        fix="Use the images and the prompts: column c is the class of prompts.class_names[c].",
    ):
        turned = range(len(prompts.class_names))[::-1]
        names = tuple(prompts.class_names[label] for label in turned)
        engine = engine_of(model)
        logits = method.fit(engine, support, prompts, options).logits(inputs)
        inspection.require(different(logits, 0) > 1, "all images have the same logits")
        inspection.require(different(logits.T, 0) > 1, "all classes have the same logits")
        other = method.fit(engine, _relabelled(support, list(turned)), replace(prompts, class_names=names), options)
        found = other.logits(inputs)
        moved, stayed = ((each - logits).abs().mean() for each in (found[:, list(turned)], found))
        # A method that begins with random weights need not find the same ones for another order.
        inspection.require(bool(moved < stayed), "with the classes in another order, columns do not move with them")


def _relabelled(support: FewShot, order: Sequence[int]) -> FewShot:
    """The support set of the same classes in another order."""
    place = {label: number for number, label in enumerate(order)}

    def relabelled(chosen: Chosen | None) -> Chosen | None:
        if chosen is None:
            return None
        data = cast(ToyImages, chosen.dataset)
        samples = [replace(sample, target=place[cast(int, sample.target)]) for sample in data.samples]
        classes = tuple((data.classes or ())[label] for label in order)
        return Chosen(replace(data, samples=samples, classes=classes), chosen.indices)

    return replace(support, train=relabelled(support.train), val=relabelled(support.val))


def _support(dataset: ImageDataset, shots: int, *, seed: int) -> FewShot:
    if not shots:
        return FewShot(seed=seed)
    by_class: dict[int, list[int]] = {}
    for index, sample in enumerate(dataset.samples):
        by_class.setdefault(cast(int, sample.target), []).append(index)
    turned = [chosen[seed:] + chosen[:seed] for chosen in by_class.values()]
    train = [index for chosen in turned for index in chosen[:shots]]
    val = [index for chosen in turned for index in chosen[shots : shots + 1]]
    return FewShot(shots, Chosen(dataset, train), Chosen(dataset, val), seed)


def _inputs(
    method: TransferMethod, model: VisionLanguageModel, dataset: ImageDataset, options: Mapping[str, Any]
) -> Tensor | None:
    """The images in the form that the method reads; None if this check cannot make it."""
    reader = READERS.get(method.reads)
    if method.reads not in ("features", "pixels") and reader is not None:
        known = (
            settle_options(method.name, method.options, options).model_dump()
            if isinstance(method, StatesOptions)
            else options
        )
        batches = reader(engine_of(model), Chosen(dataset, range(8)), known)
        rows = {index: row for batch in batches for index, row in zip(batch.indices, batch.features, strict=True)}
        return torch.stack([rows[index] for index in range(8)])
    pictures = [PIL.Image.open(io.BytesIO(dataset.read(index))).convert("RGB") for index in range(8)]
    if method.reads == "features":
        return engine_of(model).pixels(pictures)
    pixels = [model.preprocess(picture) for picture in pictures]
    return stacked(pixels) if method.reads == "pixels" and isinstance(pixels[0], Tensor) else None  # type: ignore[return-value]
