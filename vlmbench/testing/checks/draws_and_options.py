"""Checks the capabilities of a transfer method: settings, draws learnt together, and features that are NaN.

:func:`.transfer.check_transfer` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor

from vlmbench.data.base import ImageDataset
from vlmbench.errors import TransferError, UsageError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.batch import ImageBatch
from vlmbench.features.settings import EngineSettings
from vlmbench.models.base import VisionLanguageModel
from vlmbench.prompts import PromptSet
from vlmbench.testing.checks.features import apart_in_size
from vlmbench.testing.conformance import Inspection
from vlmbench.testing.toy_models import toy_model
from vlmbench.transfer.base import (
    FewShot,
    FitsDraws,
    Fitted,
    LearnsFrom,
    MethodOptions,
    StatesOptions,
    TransferMethod,
    learns_from,
)
from vlmbench.transfer.other_classes import scores_new_classes

_NO_OPTION = "an-option-that-no-method-has"


@dataclass
class _NanEngine(FeatureEngine):
    """An engine whose image features are NaN."""

    def images(self, dataset: ImageDataset, indices: Sequence[int]) -> Generator[ImageBatch, None, None]:
        for batch in super().images(dataset, indices):
            yield replace(batch, features=torch.full_like(batch.features, float("nan")))


def engine_of(model: VisionLanguageModel, kind: type[FeatureEngine] = FeatureEngine) -> FeatureEngine:
    """A new engine. Every name of another model means a toy of its own."""
    settings = EngineSettings(batch_size=8)
    return kind(model, settings, others=lambda name: FeatureEngine(toy_model(seed=len(name)), settings))


def check_options(inspection: Inspection, method: TransferMethod, fit: Callable[[Mapping[str, Any]], object]) -> None:
    """Check the settings that a method states.

    Args:
        fit: fits it with these options.
    """
    if not isinstance(method, StatesOptions):
        inspection.skip("Each setting has a type, a default and a description", "it states no settings")
        return
    with inspection.promise(
        "Each setting has a type, a default and a description",
        fix="Make options a subclass of MethodOptions, and write each field as Field(default, description=…).",
    ):
        schema = method.options
        inspection.require(isinstance(schema, type) and issubclass(schema, MethodOptions), f"options is {schema!r}")
        inspection.require(method.learns_from in get_args(LearnsFrom), f"learns_from is {method.learns_from!r}")
        bare = [name for name, field in schema.model_fields.items() if field.is_required() or not field.description]
        inspection.require(not bare, f"no default or no description: {', '.join(bare)}")
    with (
        inspection.promise(
            "An option that it does not have is refused with UsageError",
            fix="Call vlmbench.transfer.options.settle_options first.",
        ),
        inspection.require_error(UsageError, "fit took it without an error"),
    ):
        fit({_NO_OPTION: 1})


def check_draws(
    inspection: Inspection,
    method: TransferMethod,
    fit_draws: Callable[[Sequence[FewShot]], Sequence[Fitted]],
    supports: Sequence[FewShot],
    inputs: Tensor,
    close: float,
) -> None:
    """Check that draws learnt together are draws learnt alone.

    Args:
        fit_draws: fits these draws together.
        supports: several draws with different images.
        inputs: images to score.
        close: how far logits may differ, as a share of the largest.
    """
    if not isinstance(method, FitsDraws):
        inspection.skip("Draws that are learnt together are draws learnt alone", "it learns from one draw at a time")
        return
    with inspection.promise(
        "Draws that are learnt together are draws learnt alone",
        fix="Give each draw weights and a torch.Generator of its own, and add up the losses of draws.",
    ):
        together = fit_draws(supports)
        inspection.require(len(together) == len(supports), f"{len(supports)} draws gave {len(together)} answers")
        for found, support in zip(together, supports, strict=True):
            (alone,) = fit_draws([support])
            one, other = found.classifier.logits(inputs), alone.classifier.logits(inputs)
            difference = apart_in_size(one, other)
            inspection.require(difference <= close, f"logits of draw {support.seed} differ by a share {difference:.3g}")
            same = dict(found.chosen) == dict(alone.chosen)
            inspection.require(same, f"alone, draw {support.seed} chose {alone.chosen}, not {found.chosen}")


def check_new_classes(
    inspection: Inspection,
    method: TransferMethod,
    fitted: Callable[[], Fitted],
    engine: FeatureEngine,
    prompts: PromptSet,
    options: Mapping[str, Any],
    inputs: Tensor,
    close: float,
) -> None:
    """Check that what was learnt makes the classifier of other classes; nothing if the method cannot score them.

    Args:
        fitted: learns from one draw of the classes of ``prompts``.
        options: the settings that it learns with.
    """
    if not isinstance(method, FitsDraws) or not scores_new_classes(method, options):
        return
    with inspection.promise(
        "What was learnt makes a classifier of new classes; of the learnt classes, it is the same classifier",
        fix="Give Fitted.for_classes, which uses the prompts that it gets; or set scores_new_classes = False.",
    ):
        found = fitted()
        inspection.require(found.for_classes is not None, "scores_new_classes is True, but for_classes is None")
        if found.for_classes is None:
            return
        more = replace(prompts, class_names=(*(f"{name} two" for name in prompts.class_names), "another"))
        logits = found.for_classes(engine, more).logits(inputs)
        wanted = (len(inputs), len(more.class_names))
        inspection.require(tuple(logits.shape) == wanted, f"the shape is {tuple(logits.shape)}, not {wanted}")
        inspection.require(bool(torch.isfinite(logits).all()), "some logits of new classes are NaN or infinite")
        own, again = found.classifier.logits(inputs), found.for_classes(engine, prompts).logits(inputs)
        difference = apart_in_size(own, again)
        inspection.require(difference <= close, f"logits of the learnt classes differ by a share {difference:.3g}")


def check_nan(
    inspection: Inspection,
    method: TransferMethod,
    model: VisionLanguageModel,
    support: FewShot,
    prompts: PromptSet,
    options: Mapping[str, Any],
    inputs: Tensor,
) -> None:
    """Check that NaN features of images do not become a classifier."""
    if learns_from(method) == "nothing" or support.train is None:
        inspection.skip("Features that are NaN stop it with TransferError", "it learns from no images")
        return
    with inspection.promise(
        "Features that are NaN stop it with TransferError",
        fix="Call vlmbench.transfer.features.check_finite on the features, and on the losses.",
    ):
        try:
            classifier = method.fit(engine_of(model, _NanEngine), support, prompts, options)
        except TransferError:
            return
        finite = bool(torch.isfinite(classifier.logits(inputs)).all())
        inspection.require(finite, "fit gave a classifier whose logits are NaN or infinite")
