"""Finds FILIP's weights in a checkpoint of Sense-GVT/DeCLIP, under the network's names. The adapter uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from vlmbench.errors import ModelError
from vlmbench.models.filip.network import HEAD_WIDTH, Sizes
from vlmbench.models.towers.checkpoint_file import read_checkpoint
from vlmbench.models.towers.owner import owner
from vlmbench.models.towers.state_dicts import Candidate, State, nested_states
from vlmbench.wording import counted, either, listed

MASK_ID = 49406
"""The authors' vocabulary has the token ``<|mask|>`` here, between CLIP's words and its two special tokens. Their
training predicts masked words; no text of an evaluation has the token."""
VOCABULARY = 49409
"""The number of the authors' tokens (prototype/model/utils/text_utils/simple_tokenizer.py)."""
UNUSED = ("logit_scale", "text_label_predictor.")
"""Weights that no similarity of tokens uses: the scale of global features, and the head that predicts masked words."""
_ANCHORS = (
    "visual.conv1.weight",
    "image_mapping.weight",
    "text_mapping.weight",
    "logit_scale_dense",
    "encode_text.token_embedding.weight",
)
_RANKS = {
    "visual.conv1.weight": 4,
    "visual.positional_embedding": 2,
    "visual.proj": 2,
    "image_mapping.weight": 2,
    "encode_text.token_embedding.weight": 2,
    "encode_text.positional_embedding": 2,
}
"""The weights whose shapes give the sizes of the network, with their numbers of dimensions."""
_BLOCK = re.compile(r"^(visual|encode_text)\.transformer\.resblocks\.(\d+)\.")


def filip_weights(path: Path, key: str | None) -> tuple[Sizes, dict[str, Tensor]]:
    """Read a checkpoint file. Returns the network's sizes, and its weights by the network's names.

    Args:
        key: the key of one of the state dicts in the file; None: the file has one of FILIP.

    Raises:
        ModelError: the file is missing, broken, has no weights of FILIP, or several.
    """
    checkpoint = read_checkpoint(path)
    candidate = _chosen(checkpoint.where, nested_states(checkpoint.content), key)
    state = candidate.tensors
    return _sizes(checkpoint.where, state), _renamed(state)


def _chosen(where: str, candidates: list[Candidate], key: str | None) -> Candidate:
    fitting = [each for each in candidates if all(name in each.tensors for name in _ANCHORS)]
    if key is not None:
        named = [each for each in fitting if key in each.labels]
        if not named:
            raise ModelError(f"{where} has no weights of FILIP under {key!r}", hint=_offered(fitting))
        return named[0]
    if len(fitting) > 1:
        raise ModelError(f"{where} has {len(fitting)} sets of FILIP's weights", hint=_offered(fitting))
    if not fitting:
        names = max((list(each.tensors) for each in candidates), key=len, default=[])
        resnet = "visual.layer1.0.conv1.weight" in names and "image_mapping.weight" in names
        raise ModelError(
            f"{where} does not hold the weights of FILIP with a ViT"
            + (": its image tower is a ResNet" if resnet else f": there is no {listed(_lacking(names), most=3)}"),
            hint=None if resnet else owner(names) or "Name a checkpoint of FILIP from Sense-GVT/DeCLIP.",
        )
    return fitting[0]


def _lacking(names: list[str]) -> list[str]:
    return [name for name in _ANCHORS if name not in names]


def _offered(fitting: list[Candidate]) -> str:
    labels = listed([each.label for each in fitting])
    return f"Pick one with the option state_dict: {labels}." if fitting else "The file has none elsewhere either."


def _sizes(where: str, state: State) -> Sizes:
    """The sizes that the shapes of the weights give.

    Raises:
        ModelError: they are not those of a network of this kind.
    """
    wrong = [name for name, rank in _RANKS.items() if name in state and state[name].ndim != rank]
    if wrong or state["logit_scale_dense"].numel() != 1 or not state["visual.conv1.weight"].numel():
        raise ModelError(
            f"{where}: {listed(wrong or ['logit_scale_dense or visual.conv1.weight'])} has not the shape that FILIP's "
            "has",
            hint="The file may be damaged, or of another model.",
        )
    vocabulary = int(state["encode_text.token_embedding.weight"].shape[0])
    if vocabulary != VOCABULARY:
        raise ModelError(
            f"{where}: its vocabulary has {vocabulary:,} tokens, and the authors' has {VOCABULARY:,}",
            hint="Its texts belong to another tokenizer, which vlmbench does not know.",
        )
    conv, places = state["visual.conv1.weight"], state.get("visual.positional_embedding")
    words, projection = state.get("encode_text.positional_embedding"), state.get("visual.proj")
    if places is None or words is None or projection is None:
        raise ModelError(f"{where}: it lacks weights of FILIP's towers, such as their positional embeddings")
    side, width, text_width = round((len(places) - 1) ** 0.5), int(conv.shape[0]), int(words.shape[1])
    if side**2 != len(places) - 1 or width % HEAD_WIDTH or text_width % HEAD_WIDTH:
        raise ModelError(
            f"{where}: towers of the widths {width} and {text_width} with {len(places) - 1} patches are not FILIP's: "
            f"images are square, and an attention head has {HEAD_WIDTH} numbers"
        )
    return Sizes(
        image_size=side * int(conv.shape[2]),
        patch_size=int(conv.shape[2]),
        image_width=width,
        image_layers=_layers(state, "visual"),
        text_width=text_width,
        text_layers=_layers(state, "encode_text"),
        context_length=len(words),
        vocabulary=VOCABULARY - 1,
        embed_dim=int(projection.shape[1]),
        dense_dim=int(state["image_mapping.weight"].shape[0]),
    )


def _layers(state: State, tower: str) -> int:
    blocks = [int(found[2]) for name in state if (found := _BLOCK.match(name)) and found[1] == tower]
    return max(blocks, default=-1) + 1


def _renamed(state: State) -> dict[str, Tensor]:
    """The weights that are used, by the network's names.

    Without the row of ``<|mask|>``, the start and the end of a text have the numbers that CLIP's tokenizer gives them.
    """
    kept = {
        f"text.{name.removeprefix('encode_text.')}" if name.startswith("encode_text.") else name: value
        for name, value in state.items()
        if name != UNUSED[0] and not name.startswith(UNUSED[1])
    }
    rows = kept["text.token_embedding.weight"]
    kept["text.token_embedding.weight"] = torch.cat([rows[:MASK_ID], rows[MASK_ID + 1 :]])
    kept["logit_scale_dense"] = kept["logit_scale_dense"].reshape(())
    return kept


def _used(name: str, value: Tensor) -> Tensor:
    """A weight as the model uses it: the scale is kept as a logarithm."""
    return value.float().exp() if name == "logit_scale_dense" else value


def refuse_misfits(where: str, network: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Refuse weights that the network lacks, has in another shape, or has no place for.

    Raises:
        ModelError: there are some; the message names them.
    """
    missing = sorted(set(network) - set(state))
    foreign = sorted(set(state) - set(network))
    other = sorted(name for name in set(state) & set(network) if state[name].shape != network[name].shape)
    nan = sorted(name for name, value in state.items() if not bool(torch.isfinite(_used(name, value)).all()))
    for names, what in (
        (missing, "of the model's weights {are} missing"),
        (foreign, "{have} no place in the model"),
        (other, "{have} another shape than in the model"),
        (nan, "{hold} NaN or infinity"),
    ):
        if names:
            verbs = {
                each: either(len(names), one, each) for one, each in (("is", "are"), ("has", "have"), ("holds", "hold"))
            }
            raise ModelError(
                f"{where}: {counted(len(names), 'weight')} {what.format(**verbs)}: {listed(names, most=3)}",
                hint="Name a checkpoint of FILIP from Sense-GVT/DeCLIP; DeFILIP and DeCLIP are other models.",
            )
