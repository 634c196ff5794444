"""Loads dual encoders, detectors and segmenters of the transformers library. Runs call it.

A spec is a local folder or a hub repository. Weights, tokenizer and image processor are those of the checkpoint, called
as the library documents it. :mod:`.families` lists the families of checkpoints. The library prefers safetensors files,
and reads ``.bin`` files with ``weights_only``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from vlmbench.cards import ModelCard
from vlmbench.errors import ModelError
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.hub_access import hub_access, quiet_transformers
from vlmbench.models.options import Kinds, check_options
from vlmbench.models.towers.state_dicts import tell_of_lists
from vlmbench.models.transformers.checkpoint import (
    cached_folder,
    cached_revision,
    checkpoint,
    in_open_clip,
    incomplete,
    loaded,
    refuse_incomplete,
    refuse_nan,
    refuse_wordless,
)
from vlmbench.models.transformers.families import families, family_of
from vlmbench.models.transformers.family import EncoderFamily, Family, Parts, of_classes
from vlmbench.models.transformers.feature_calls import PIXELS
from vlmbench.models.transformers.files import (
    fetched_weights,
    fitting_state,
    folder_weights,
    gaps,
    library_reads,
    refuse_adapter,
    refuse_adapter_weights,
    refuse_quantised,
    without_weights,
)
from vlmbench.models.transformers.image_size import refuse_other_size
from vlmbench.models.transformers.unlisted.unknown_types import unsupported_type
from vlmbench.models.transformers.unlisted.unverified import unverified_family
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import UNUSED_WEIGHTS
from vlmbench.wording import counted

OPTIONS: Mapping[str, Kinds] = {
    "revision": (str,),
    "lowercase": (bool,),
    "top_k": (int,),
    "labels_at_once": (int,),
    "nms_iou": (int, float),
    "state_dict": (str,),
    "weights_file": (str,),
}
"""``revision``: a commit, branch or tag of the hub repository. ``lowercase``: convert texts to lower case first.
``top_k``: the number of best pairs of a box and a text that a detector returns, instead of its family's default.
``labels_at_once``: the largest number of labels that a detector reads together, if it reads them as one caption.
``nms_iou``: the overlap above which a detector drops the worse of two boxes of one label; 1 keeps all.
``weights_file``: the weight file of a local folder. ``state_dict``: the key of one of the state dicts in a file."""

_OF_FAMILIES: Mapping[str, str] = {
    "top_k": "detectors",
    "labels_at_once": "detectors that read labels as a caption",
    "nms_iou": "detectors with non-maximum suppression",
}
"""Options that only some families have, with the models that have them."""


def load(card: ModelCard, options: LoadOptions) -> Model:
    """Load a model.

    Raises:
        ModelError: an option is unknown, or a checkpoint is missing, broken, incomplete or not to be fetched.
        UnsupportedError: vlmbench cannot use models of its type.
    """
    check_options(card, OPTIONS)
    spec = checkpoint(card.spec)
    if {"weights_file", "state_dict"} & set(card.options) and not Path(spec).is_dir():
        raise ModelError(f"model {card.name!r}: the options weights_file and state_dict need a local folder")
    common = {
        "revision": card.options.get("revision", "main"),
        "local_files_only": options.offline,
        "trust_remote_code": options.trust_remote_code,
    }
    with hub_access(offline=options.offline), quiet_transformers():
        config = loaded(spec, options, "config", transformers.AutoConfig, common)
        family = family_of(config.model_type) or unverified_family(config)
        if family is None:
            raise unsupported_type(spec, config, families(), in_open_clip(spec, offline=options.offline))
        _check_family_options(card, family)
        family = of_classes(family, config.architectures, spec)
        architecture = getattr(transformers, family.network)
        network, info = _weights(card, options, spec, architecture, config, common)
        refuse_nan(spec, network)
        tokenizer = loaded(spec, options, "tokenizer", transformers.AutoTokenizer, common)
        refuse_wordless(spec, tokenizer)
        processor = loaded(spec, options, "image processor", transformers.AutoImageProcessor, common)
        if not family.any_image_size:
            names = family.pixel_names if isinstance(family, EncoderFamily) else PIXELS
            refuse_other_size(spec, config, processor, names)
    if unused := sorted(map(str, info["unexpected_keys"])):
        say(
            UNUSED_WEIGHTS,
            f"the checkpoint has {counted(len(unused), 'weight')} for which the model has no place",
            brief=counted(len(unused), "unused weight"),
            count=len(unused),
            examples=unused,
        )
    parts = Parts(
        card=card,
        spec=spec,
        network=network.float().eval().requires_grad_(False),
        tokenizer=tokenizer,
        processor=processor,
        device=torch.device(options.device),
        revision=cached_revision(spec, common["revision"]),
        arguments=common,
    )
    return family.model(family, parts)


def _weights(
    card: ModelCard, options: LoadOptions, spec: str, architecture: Any, config: Any, common: Mapping[str, Any]
) -> tuple[Any, Mapping[str, Any]]:
    """Load the network with its weights. Also returns the library's report on the loading."""
    aside = {
        "config": config,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,
    }  # refuse_incomplete refuses them
    file, key = card.options.get("weights_file"), card.options.get("state_dict")
    folder = Path(spec)
    if not folder.is_dir():
        refuse_adapter(spec, common)
        network, info = loaded(spec, options, "weights", architecture, {**common, **aside})
        snapshot = cached_folder(spec, common["revision"])
        files = fetched_weights(snapshot) if snapshot else None
        if files:
            refuse_quantised(spec, network, files.read().content)
    else:
        files = folder_weights(folder, file)
        network, info = None, {}
        if not (file or key) and library_reads(files):
            network, info = loaded(spec, options, "weights", architecture, {**common, **aside})
            refuse_quantised(spec, network, files.read().content)
        if network is None or incomplete(info):
            bare = network if network is not None else without_weights(architecture, config)
            state = fitting_state(bare, files, key)
            if state is not None:
                refuse_quantised(files.read().where, bare, state)
                network, info = loaded(spec, options, "weights", type(bare), {**aside, "state_dict": state})
            elif network is None:
                info = gaps(bare, files)
                refuse_adapter_weights(spec, info["unexpected_keys"])
                refuse_incomplete(spec, info)
                raise ModelError(f"{spec}: the weights in {files.shown} do not fit the model of config.json")
        if key is None:
            tell_of_lists(files.shown, files.read().content, list(network.parameters()))
    refuse_adapter_weights(spec, list(info["unexpected_keys"]))
    refuse_incomplete(spec, info)
    return network, info


def _check_family_options(card: ModelCard, family: Family) -> None:
    if card.options.get("lowercase") and not isinstance(family, EncoderFamily):
        raise ModelError(
            f"model {card.name!r}: lowercase is an option of dual encoders, and this model is not one",
            hint="Leave the option out.",
        )
    for name, whose in _OF_FAMILIES.items():
        value = card.options.get(name)
        if value is None:
            continue
        if name not in family.options:
            raise ModelError(f"model {card.name!r}: {name} is an option of {whose}, and this model is not one")
        if OPTIONS[name] == (int,) and value < 1:
            raise ModelError(f"model {card.name!r}: {name} must be 1 or more, not {value}")
