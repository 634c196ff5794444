"""What makes remarks of models' weights: checkpoints of tiny architectures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import open_clip.factory
import open_clip.pretrained
import pytest
import torch
from models import tiny_weights
from models.tiny import CONFIG
from remarks.trigger import Arguments, Trigger, images, model_card


def tiny(top: Path, spec: object, **options: Any) -> Arguments:
    return (*model_card(top, "open_clip", spec, **options), *images(top))


def known(top: Path, patch: pytest.MonkeyPatch, *, published: bool = False) -> None:
    """open_clip knows the tiny architectures, and weights of one if asked."""
    tiny_weights.make_known(patch, top / "configs")
    if published:
        tiny_weights.publish(patch, tiny_weights.write_weights("tiny", top / "published.safetensors"))


def random_weights(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch)
    return tiny(top, "tiny", random_seed=3)


def activation_assumed(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch)
    return tiny(top, f"tiny/{tiny_weights.write_weights('tiny', top / 'epoch_12.pt')}")


def activation_corrected(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch, published=True)
    return tiny(top, "tiny/openai")


def activation_mismatch(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch, published=True)
    return tiny(top, "tiny/openai", quick_gelu=False)


def transform_assumed(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    """Published weights of the architecture have different transforms, and the file's name is none of theirs."""
    known(top, patch, published=True)
    table = dict(open_clip.pretrained._PRETRAINED["tiny"])
    table["laion"] = {**table["laion"], "mean": (0.1, 0.1, 0.1)}
    patch.setitem(open_clip.pretrained._PRETRAINED, "tiny", table)
    return tiny(top, f"tiny/{tiny_weights.write_weights('tiny', top / 'epoch_12.pt')}", quick_gelu=False)


def transform_taken(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch)
    file = tiny_weights.write_weights("tiny", top / "set" / "epoch_1.pt")
    beside = {"model_cfg": CONFIG, "preprocess_cfg": {"mean": [0, 0, 0]}}
    (file.parent / "open_clip_config.json").write_text(json.dumps(beside))
    return tiny(top, f"tiny/{file}")


def positions_interpolated(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch)
    file = tiny_weights.write_weights("tiny-large-image", top / "large.pt")
    return tiny(top, f"tiny/{file}", quick_gelu=False)


def several_files(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch)
    taken = tiny_weights.write_weights("tiny", top / "set" / "open_clip_model.safetensors")
    state = torch.load(tiny_weights.write_weights("tiny", top / "w.pt"), weights_only=True)
    torch.save({name: value + 1 for name, value in state.items()}, taken.parent / "epoch_9.pth")
    (taken.parent / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    return tiny(top, f"local-dir:{taken.parent}")


def no_bias(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    known(top, patch)
    path = tiny_weights.write_weights("tiny-sigmoid", top / "w.pt")
    state = torch.load(path, weights_only=True)
    del state["logit_bias"]
    torch.save(state, path)
    return tiny(top, f"tiny-sigmoid/{path}")


def warns(top: Path, patch: pytest.MonkeyPatch) -> Arguments:
    """A version of open_clip that warns while it makes a network: code of a file in its folder."""
    known(top, patch)
    made = open_clip.factory.CLIP
    newer = "import logging\ndef make(*args, **kw):\n    logging.warning('the config has no such field as %s', 'x')\n"
    scope: dict[str, Any] = {"made": made}
    file = Path(open_clip.__file__).with_name("newer.py")
    exec(compile(f"{newer}    return made(*args, **kw)\n", str(file), "exec"), scope)
    patch.setattr(open_clip.factory, "CLIP", scope["make"])
    return tiny(top, f"tiny/{tiny_weights.write_weights('tiny', top / 'w.pt')}", quick_gelu=False)


def siglip_folder(top: Path, *, lowercase: bool = True) -> Path:
    """A SigLIP, whose family is trained on lower case."""
    transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")
    from models.checkpoints import TEXT, VISION, save, word_tokenizer

    text = {**TEXT, "vocab_size": 10, "max_position_embeddings": 16}
    network = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=VISION))
    processor = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    return save(top / "siglip", network, word_tokenizer(lowercase=lowercase), processor)


def case_kept(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    return (*model_card(top, "transformers", siglip_folder(top, lowercase=False)), *images(top))


def unused_weights(top: Path, _: pytest.MonkeyPatch) -> Arguments:
    folder = siglip_folder(top)
    from safetensors.torch import load_file, save_file

    state = {**load_file(folder / "model.safetensors"), **{f"head.{i}": torch.zeros(2) for i in range(4)}}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return (*model_card(top, "transformers", folder), *images(top))


TRIGGERS = {
    "random-weights": Trigger(
        random_weights, "the weights are random (seed 3), so the numbers mean nothing", "random weights"
    ),
    "activation-assumed": Trigger(
        activation_assumed,
        "the activation GELU of tiny was assumed, because nothing shows with which one these weights were trained. "
        "If it was QuickGELU, write tiny-quickgelu or set the option quick_gelu: true; if not, set quick_gelu: false",
        "activation assumed",
    ),
    "activation-corrected": Trigger(
        activation_corrected,
        "tiny has the activation GELU, but open_clip's table for tiny/openai says that these weights were trained with "
        "QuickGELU. That activation was used",
        "activation corrected",
    ),
    "activation-mismatch": Trigger(
        activation_mismatch,
        "the model was built with GELU as you asked, but open_clip's table for tiny/openai says that the weights were "
        "trained with QuickGELU. If so, the numbers are too low",
        "activation mismatch",
    ),
    "transform-assumed": Trigger(
        transform_assumed,
        "OpenAI's mean and deviation of colours were assumed, because the published weights of tiny use different "
        "ones. If these weights were trained with others, set the options image_mean and image_std",
        "transform assumed",
    ),
    "transform-taken": Trigger(
        transform_taken,
        "the image transform was taken from open_clip_config.json in its folder and is not open_clip's default",
        "transform taken",
    ),
    "positions-interpolated": Trigger(
        positions_interpolated,
        "visual.positional_embedding was interpolated from the checkpoint's 17 positions to 5",
        "positions interpolated",
    ),
    "unused-weights": Trigger(
        unused_weights,
        "the checkpoint has 4 weights for which the model has no place: head.0, head.1, head.2, …",
        "4 unused weights",
        4,
    ),
    "several-weights": Trigger(
        several_files,
        "{top}/set has 2 files of different weights. open_clip_model.safetensors was loaded, because open_clip prefers "
        "it. The model option weights_file picks another: epoch_9.pth, open_clip_model.safetensors",
        "1 of 2 weight files: open_clip_model.safetensors",
        2,
    ),
    "missing-weights": Trigger(
        no_bias,
        "the checkpoint lacks logit_bias, which the architecture has. 0 was used instead, as in open_clip",
        "no logit_bias",
    ),
    "case-kept": Trigger(
        case_kept,
        "the tokenizer keeps upper case, but the family was trained on lower case; set the option lowercase: true",
        "case kept",
    ),
    "library": Trigger(warns, "open_clip: the config has no such field as x", "library"),
}
