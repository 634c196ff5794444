"""Checks capabilities with gradients: TunableTowers (texts as embeddings) and TunableImageTower (prompts and weights).

:func:`vlmbench.testing.check_model` calls them.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.base import VisionLanguageModel
from vlmbench.models.memory.held import modules_of
from vlmbench.models.tunable import Projection, TunableImageTower, TunableTowers
from vlmbench.testing.checks import inputs
from vlmbench.testing.checks.features import apart, require_features
from vlmbench.testing.conformance import Inspection

_TEXTS = ("a photo of a cat", "", "a", "two dogs in the park")
_UNKNOWN = "no such parameter"


def check_tunable(
    inspection: Inspection, model: VisionLanguageModel, towers: TunableTowers, *, rounding: float
) -> None:
    """Check that a text tower on embeddings, with states and updates, gives right features and gradients."""
    texts, before = list(_TEXTS), len(inspection.broken)
    with inspection.promise(
        "TunableTowers: embeddings of tokens have the features of their texts, and get gradients",
        fix="Add the positions in encode_embeddings, read the state at `ends`, and work outside of inference mode.",
    ):
        found = towers.token_embeddings(texts)
        ends = found.ends
        inspection.require(
            found.embeddings.shape == (*found.ids.shape, towers.text_width) and ends.shape == (len(texts),),
            f"{len(texts)} texts have embeddings of shape {tuple(found.embeddings.shape)}",
        )
        asked = found.embeddings.detach().clone().requires_grad_()
        features = towers.encode_embeddings(asked, ends)
        with torch.inference_mode():
            plain = model.encode_text(texts)
        require_features(inspection, features.detach(), (len(texts), plain.shape[1]), model.device)
        _require_equal(inspection, features, plain, rounding)
        _require_gradients(inspection, features, {"the embeddings": asked})
    if len(inspection.broken) > before:
        return
    with inspection.promise(
        "TunableTowers: states and updates act on the features and get gradients",
        fix="Put `deep[i]` before block i + 1, and add what `update` gives.",
    ):
        update = _Update(model.device)
        longest = int(ends.argmax())
        embeddings, end = found.embeddings[longest : longest + 1], ends[longest : longest + 1]
        state = _tokens(1, towers.text_width, embeddings)
        deep = [state] if towers.text_layers > 1 else []
        same = towers.encode_embeddings(embeddings, end, deep=[each[:0] for each in deep], update=_nothing)
        _require_equal(inspection, same, plain[longest : longest + 1], rounding)
        other = towers.encode_embeddings(embeddings, end, deep=deep, update=update)
        require_features(inspection, other.detach(), (1, plain.shape[1]), model.device)
        _require_gradients(inspection, other, {"a state": state} if deep else {})
        _require_gradients(inspection, other, update.called(inspection))
        _require_no_own_gradient(inspection, model, other)


def check_tunable_image(
    inspection: Inspection, model: VisionLanguageModel, tower: TunableImageTower, *, rounding: float
) -> None:
    """Check that an image tower with weights, prompts and updates gives right features and gradients."""
    before = len(inspection.broken)
    with inspection.promise(
        "TunableImageTower: without further arguments it gives encode_image's features, and pixels get gradients",
        fix="Run the whole tower, normalise the features, and work outside of inference mode.",
    ):
        images = [model.preprocess(picture) for picture in inputs.images(2)]
        pixels = torch.stack([image for image in images if isinstance(image, Tensor)]).to(model.device)
        with torch.inference_mode():
            plain = model.encode_image(pixels)
        asked = pixels.clone().requires_grad_()
        features = tower.encode_pixels(asked)
        require_features(inspection, features.detach(), tuple(plain.shape), model.device)
        _require_equal(inspection, features, plain, rounding)
        _require_gradients(inspection, features, {"the pixels": asked})
    if len(inspection.broken) > before:
        return
    with inspection.promise(
        "TunableImageTower: other weights act on the features and get gradients",
        fix="Name all parameters of the tower in `parameters`, and compute with those that are given.",
    ):
        weights = _leaves(tower.parameters())
        same = tower.encode_pixels(pixels, weights=weights)
        _require_equal(inspection, same, plain, rounding)
        _require_some_gradient(inspection, same, weights)
        with inspection.require_error(ModelError, "a weight with an unknown name is accepted"):
            tower.encode_pixels(pixels, weights={_UNKNOWN: pixels})
        _require_no_own_gradient(inspection, model, features)
    with inspection.promise(
        "TunableImageTower: prompts and updates act on the features and get gradients, or they raise ModelError",
        fix="Set image_width and image_layers to 0 if the tower takes none, and raise ModelError for them.",
    ):
        prompts = [_tokens(2, tower.image_width, pixels, block) for block in range(tower.image_layers)]
        with inspection.require_error(ModelError, f"prompts before {tower.image_layers + 1} blocks are accepted"):
            tower.encode_pixels(pixels, prompts=[*prompts, _tokens(2, tower.image_width, pixels)])
        if not prompts:
            with inspection.require_error(ModelError, "an update is accepted, though image_layers is 0"):
                tower.encode_pixels(pixels, update=_nothing)
            return
        same = tower.encode_pixels(pixels, prompts=[prompt[:0] for prompt in prompts], update=_nothing)
        _require_equal(inspection, same, plain, rounding)
        update = _Update(model.device)
        other = tower.encode_pixels(pixels, prompts=prompts, update=update)
        require_features(inspection, other.detach(), tuple(plain.shape), model.device)
        _require_gradients(inspection, other, {f"the prompts of block {n}": each for n, each in enumerate(prompts)})
        _require_gradients(inspection, other, update.called(inspection))
        _require_no_own_gradient(inspection, model, other)


class _Update:
    """An update that adds a part of each projection's input. Each part is a number that gets a gradient."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._parts: dict[str, Tensor] = {}

    def __call__(self, block: int, projection: Projection, x: Tensor) -> Tensor:
        name = f"an update of {projection} in block {block}"
        if name not in self._parts:
            self._parts[name] = torch.tensor(0.5, device=self._device, requires_grad=True)
        return x * self._parts[name]

    def called(self, inspection: Inspection) -> Mapping[str, Tensor]:
        """The parts, if the tower asked for any."""
        inspection.require(self._parts, "the update is not called")
        return self._parts


def _nothing(block: int, projection: Projection, x: Tensor) -> Tensor:
    return torch.zeros_like(x)


def _leaves(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}


def _tokens(count: int, width: int, like: Tensor, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, width, generator=generator).to(like).requires_grad_()


def _require_equal(inspection: Inspection, features: Tensor, plain: Tensor, rounding: float) -> None:
    difference = apart(features.detach(), plain)
    inspection.require(difference <= rounding, f"they differ by up to {difference:.3g}")


def _require_gradients(inspection: Inspection, features: Tensor, leaves: Mapping[str, Tensor]) -> None:
    for name, gradient in _gradients(inspection, features, leaves).items():
        moved = gradient is not None and bool(torch.isfinite(gradient).all()) and bool(gradient.abs().sum() > 0)
        inspection.require(moved, f"the gradient of {name} is zero, NaN or infinite")


def _require_some_gradient(inspection: Inspection, features: Tensor, weights: Mapping[str, Tensor]) -> None:
    found = [each for each in _gradients(inspection, features, weights).values() if each is not None]
    inspection.require(all(bool(torch.isfinite(each).all()) for each in found), "a weight's gradient is not finite")
    inspection.require(any(bool(each.abs().sum() > 0) for each in found), "no weight gets a gradient")


def _gradients(inspection: Inspection, features: Tensor, leaves: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    if not leaves:
        return {}
    inspection.require(features.requires_grad, "the features give no gradients")
    found = torch.autograd.grad(features[:, 0].sum(), list(leaves.values()), retain_graph=True, allow_unused=True)
    return dict(zip(leaves, found, strict=True))


def _require_no_own_gradient(inspection: Inspection, model: VisionLanguageModel, features: Tensor) -> None:
    features[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    own = [parameter for module in modules_of(model) for parameter in module.parameters()]
    inspection.require(all(each.grad is None for each in own), "a parameter of the model has a gradient")
