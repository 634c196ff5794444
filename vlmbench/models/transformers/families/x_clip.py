"""X-CLIP, which encodes clips as a whole and changes the feature of each text by the clip that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import PIL.Image
import torch
import torch.nn.functional as F
from torch import Tensor

from vlmbench.models.transformers.families.clip import CLIP
from vlmbench.models.transformers.family import EncoderFamily
from vlmbench.models.transformers.model import TransformersModel
from vlmbench.rgb import as_rgb

MOST_VALUES = 2**23
"""The most values of changed text features that are in memory at once: clips times texts times dimensions."""


class XClipEncoder:
    """The ``ClipEncoder`` of X-CLIP. The steps are those of ``XCLIPModel.forward``, taken apart at the texts."""

    def __init__(self, model: TransformersModel) -> None:
        self._model = model
        self._network: Any = model.network
        self.frames_per_clip = int(model.network.config.vision_config.num_frames)
        self.logit_scale = model.logit_scale
        self._dim = model.embedding_dim

    def preprocess_frame(self, image: PIL.Image.Image) -> Tensor:
        pixels = cast(Tensor, self._model.processor(images=as_rgb(image), return_tensors="pt")["pixel_values"][0])
        return pixels.flatten(0, -4)[0] if pixels.ndim > 3 else pixels  # processors of videos make clips of one frame

    def encode_prompts(self, texts: Sequence[str]) -> Tensor:
        return self._model.project_text(texts)

    def encode_clips(self, frames: Tensor) -> Tensor:
        """(B, T, 3, H, W) to (B, (1 + L) D): the clip's feature, then what the texts see of its L patches."""
        network, (clips, count) = self._network, frames.shape[:2]
        seen = network.vision_model(pixel_values=frames.flatten(0, 1))
        whole = network.mit(network.visual_projection(seen.pooler_output).view(clips, count, -1)).pooler_output
        patches = network.prompts_visual_layernorm(seen.last_hidden_state[:, 1:]) @ network.prompts_visual_projection
        context = patches.view(clips, count, -1, whole.shape[-1]).mean(dim=1)
        return torch.cat([whole[:, None], context], dim=1).flatten(1)

    def similarities(self, clips: Tensor, prompts: Tensor, num_classes: int) -> Tensor:
        rows = clips.view(len(clips), -1, self._dim)
        classes = prompts.view(num_classes, -1, self._dim)
        templates = classes.shape[1]
        some = max(1, min(num_classes, MOST_VALUES // (templates * self._dim)))
        at_once = max(1, MOST_VALUES // (some * templates * self._dim))
        found = torch.empty(len(clips), num_classes, device=clips.device)
        for top in range(0, len(clips), at_once):
            part = rows[top : top + at_once]
            whole = F.normalize(part[:, 0].float(), dim=-1)
            for first in range(0, num_classes, some):
                texts = classes[first : first + some].flatten(0, 1).expand(len(part), -1, -1)
                changed = F.normalize((texts + self._network.prompts_generator(texts, part[:, 1:])).float(), dim=-1)
                means = changed.view(len(part), -1, templates, self._dim).mean(dim=2)
                heads = F.normalize(means, dim=-1)
                found[top : top + at_once, first : first + some] = torch.einsum("bd,bcd->bc", whole, heads)
        return found


FAMILIES: Mapping[str, EncoderFamily] = {
    "xclip": replace(CLIP, encodes_images=False, capabilities={"ClipEncoder": XClipEncoder}),
}
