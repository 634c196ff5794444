"""Checks a model against the promises of :mod:`vlmbench.models.base`; authors of adapters call :func:`check_model`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from vlmbench.cards import ModelCard
from vlmbench.catalogue import runnable_models
from vlmbench.errors import UsageError
from vlmbench.features.precision import resolve_device
from vlmbench.models import ADAPTERS
from vlmbench.models import base as protocols
from vlmbench.models.base import LoadOptions, Model, ModelIdentity, VisionLanguageModel, lacks_encoders
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.models.memory.given import GivenModel
from vlmbench.models.memory.held import modules_of
from vlmbench.models.memory.undisturbed import undisturbed
from vlmbench.models.multi_vector import MultiVectorEncoder, multi_vector
from vlmbench.models.tunable import TunableImageTower, TunableTowers
from vlmbench.testing.checks.capabilities.image_parts import check_byte_pixels, check_dense
from vlmbench.testing.checks.capabilities.texts import check_packs, check_prefix, check_reader
from vlmbench.testing.checks.capabilities.tunable import check_tunable, check_tunable_image
from vlmbench.testing.checks.capabilities.vectors import check_multi_vector
from vlmbench.testing.checks.capabilities.whole_clips import check_clip_encoder
from vlmbench.testing.checks.encoders import check_encoders
from vlmbench.testing.checks.pictures import check_detector, check_instances, check_segmenter
from vlmbench.testing.checks.unchanged import changed as changed_settings
from vlmbench.testing.checks.unchanged import hashes_of, process_state
from vlmbench.testing.conformance import Conformance, Inspection
from vlmbench.wording import counted, listed

ROUNDING = 1e-4
"""How much two equal values may differ by rounding, if the caller gives no other number."""

_OF_ENCODERS: Mapping[type, Callable[..., None]] = {
    protocols.BytePixels: check_byte_pixels,
    protocols.PrefixTextEncoder: check_prefix,
    protocols.PackedTextEncoder: check_packs,
    protocols.TokenReader: check_reader,
    TunableTowers: check_tunable,
    TunableImageTower: check_tunable_image,
}
_OF_ANY: Mapping[type, Callable[..., None]] = {
    protocols.DenseEncoder: check_dense,
    protocols.Detector: check_detector,
    protocols.InstanceSegmenter: check_instances,
    protocols.Segmenter: check_segmenter,
    ClipEncoder: check_clip_encoder,
    MultiVectorEncoder: check_multi_vector,
}
_CHECKS = {**_OF_ENCODERS, **_OF_ANY}


def check_model(
    model: Model | GivenModel | ModelCard | str,
    *,
    changed: Model | None = None,
    device: str = "cpu",
    texts: Sequence[str] = (),
    any_mode: bool = False,
    rounding: float = ROUNDING,
) -> Conformance:
    """Check everything that a model promises: its identity, its encoders and its capabilities.

    Args:
        model: a model, a card, a name that ``vlmbench run -m`` takes, or what :func:`vlmbench.as_model` makes. A card
            or name is loaded twice, offline, so that the two loads can be compared.
        changed: the same model, loaded by its adapter with one weight changed. Its identity must differ.
        device: the device on which a card or name is loaded.
        texts: texts to encode besides the usual ones. Give some if the model knows few words.
        any_mode: check that ``preprocess`` takes images of every mode, as vlmbench's own models do. The protocol
            promises only RGB.
        rounding: how much features may differ that should be equal, such as those of one image alone and in a batch.

    Raises:
        ConformanceError: promises are broken; it lists all of them.
        VlmbenchError: the card or name cannot be loaded.
    """
    if isinstance(model, GivenModel):
        with undisturbed(model.modules):
            return check_model(
                model.load(), changed=changed, device=device, texts=texts, any_mode=any_mode, rounding=rounding
            )
    load = _loader(model, device) if isinstance(model, (ModelCard, str)) else None
    loaded = load() if load is not None else cast(Model, model)
    before = process_state()  # after the first load: the libraries that it imports may change the environment
    inspection = Inspection(f"the model {getattr(getattr(loaded, 'card', None), 'name', type(loaded).__name__)!r}")
    _check_parts(inspection, loaded)
    if inspection.broken:  # the other checks need these parts
        return inspection.conclude()
    weights = hashes_of(loaded)
    encodes = lacks_encoders(loaded) is None
    if encodes:
        encoder = cast(VisionLanguageModel, loaded)
        check_encoders(inspection, encoder, again=load, more_texts=texts, any_mode=any_mode, rounding=rounding)
    else:
        inspection.skip("It encodes images and texts", lacks_encoders(loaded) or "")
    _check_identity(inspection, loaded, load, changed)
    for kind, check in _CHECKS.items():
        offered = loaded.capabilities.get(kind.__name__)
        if offered is not None and (encodes or kind in _OF_ANY):
            check(inspection, loaded, offered, rounding=rounding)
    with inspection.promise(
        "It changes no setting and no random state of the process",
        fix="Restore what you change, and draw random numbers from a generator of your own (torch.Generator).",
    ):
        _require_unchanged(inspection, before)
    with inspection.promise(
        "Its weights are the same after it was asked", fix="Write to no parameter or buffer while you encode."
    ):
        names = changed_settings(weights, hashes_of(loaded))
        inspection.require(not names, f"{listed(names)} changed")
    return inspection.conclude()


def _require_unchanged(inspection: Inspection, before: Mapping[str, object]) -> None:
    names = changed_settings(before, process_state())
    inspection.require(not names, f"loading or asking the model changed {listed(names)}")


def _loader(model: ModelCard | str, device: str) -> Callable[[], Model]:
    if isinstance(model, str):
        cards = list(runnable_models(model))
        if len(cards) != 1:
            raise UsageError(f"{model!r} means {counted(len(cards), 'model')}", hint="Name one model.")
        model = cards[0]
    card, options = model, LoadOptions(device=resolve_device(device), offline=True)
    return lambda: ADAPTERS.get(card.adapter)(card, options)


def _check_parts(inspection: Inspection, model: Model) -> None:
    with inspection.promise(
        "It has a card, an identity, a device and capabilities",
        fix="Set all four when you load it: the given ModelCard, a ModelIdentity, a torch.device, and a mapping.",
    ):
        for name, kind in (("card", ModelCard), ("identity", ModelIdentity), ("capabilities", Mapping)):
            value = getattr(model, name, None)
            inspection.require(isinstance(value, kind), f"{name} is {value!r}, not a {kind.__name__}")
        device = getattr(model, "device", None)
        inspection.require(isinstance(device, torch.device), f"device is {device!r}, not a torch.device")
    with inspection.promise(
        "Each capability is listed under the name of its protocol and has the protocol's methods",
        fix="Add the methods that are missing, or take the name out of `capabilities`.",
    ):
        known = {kind.__name__: kind for kind in _CHECKS}
        for name, offered in dict(model.capabilities).items():
            if name not in known:
                inspection.skip(f"It has the capability {name}", "vlmbench has no protocol of this name")
                continue
            inspection.require(
                isinstance(offered, known[name]),
                f"{name} is a {type(offered).__name__} that lacks some of {_members(known[name])}",
            )
    with inspection.promise(
        "It can answer questions: it encodes images and texts, or it has a capability",
        fix="Define preprocess, encode_image, encode_text, embedding_dim, logit_scale and logit_bias, or a capability.",
    ):
        inspection.require(lacks_encoders(model) is None or model.capabilities, lacks_encoders(model) or "")
    with inspection.promise(
        "Its networks are in evaluation mode", fix="Call .eval() on each network before you return the model."
    ):
        networks = [network for network in modules_of(model) if _is_network(network)]
        training = [type(part).__name__ for network in networks for part in network.modules() if part.training]
        inspection.require(
            not training,
            f"still in training mode (dropout, batch norm): {listed(training, most=3)}",
        )


def _is_network(module: nn.Module) -> bool:
    """Whether the mode of a module can matter: not that of a transform, which torchvision makes a module too."""
    stated = [*module.parameters(), *module.buffers()]
    return bool(stated) or any(isinstance(part, _DropoutNd) for part in module.modules())


def _members(kind: type) -> str:
    return listed(sorted(name for name in {*vars(kind), *vars(kind).get("__annotations__", {})} if name[0] != "_"))


def _check_identity(
    inspection: Inspection, model: Model, load: Callable[[], Model] | None, other: Model | None
) -> None:
    identity = model.identity
    with inspection.promise(
        "Its identity is complete",
        fix="Fill every field, because run ids and the feature cache depend on it. Hash every weight and buffer.",
    ):
        for name in ("weights_sha256", "architecture", "preprocess", "tokenizer"):
            if name in ("preprocess", "tokenizer") and lacks_encoders(model) and multi_vector(model) is None:
                continue
            value = getattr(identity, name)
            inspection.require(isinstance(value, str) and value.strip(), f"identity.{name} is {value!r}")
        count = identity.parameters
        inspection.require(isinstance(count, int) and count >= 0, f"identity.parameters is {count!r}")
        versions = dict(identity.libraries)
        inspection.require(versions, "identity.libraries is empty; name at least torch")
        inspection.require(
            all(isinstance(part, str) and part for pair in versions.items() for part in pair),
            f"identity.libraries is {versions}; it must map names to versions",
        )
    promise = "Loaded twice, it has the same identity"
    if load is None:
        inspection.skip(promise, "the model was given already loaded; give a card or a name to load it twice")
    else:
        with inspection.promise(
            promise, fix="Leave times, paths, memory addresses and random numbers out of the identity."
        ):
            again = load().identity
            different = [name for name in vars(identity) if getattr(identity, name) != getattr(again, name)]
            inspection.require(not different, f"the second load differs in {listed(different)}")
    promise = "Another weight gives another identity"
    if other is None:
        inspection.skip(promise, "no `changed` model was given")
    else:
        with inspection.promise(
            promise, fix="Hash the values of every parameter and buffer, not only their names or files."
        ):
            inspection.require(
                other.identity.weights_sha256 != identity.weights_sha256,
                f"both have the weights_sha256 {identity.weights_sha256!r}",
            )
