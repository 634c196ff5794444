"""A dual encoder as a hub repository would bring it: its own code, which vlmbench does not know.

``way`` in the configuration decides what is wrong with it.
"""

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel


class OwnConfig(PretrainedConfig):
    model_type = "own-encoder"

    def __init__(self, way="right", vocab=32, **others):
        self.way, self.vocab = way, vocab
        super().__init__(**others)


class OwnEncoder(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.words = nn.Embedding(config.vocab, 16)
        self.colours = nn.Linear(3, 8 if config.way == "other length" else 16)
        self.logit_scale = nn.Parameter(torch.tensor(3.0))
        self.post_init()

    def get_image_features(self, pixel_values):
        if self.config.way == "fails":
            raise ValueError("the pixels must be bytes")
        if self.config.way == "fails silently":
            raise ValueError
        return self.colours(pixel_values.mean(dim=(2, 3)))

    def get_text_features(self, input_ids, attention_mask=None):
        states = self.words(input_ids)
        if self.config.way == "every token":
            return states
        if self.config.way == "unmasked":
            return states.mean(dim=1)
        mask = attention_mask[..., None].to(states.dtype)
        return (states * mask).sum(dim=1) / mask.sum(dim=1)


class OwnOfInstructions(OwnEncoder):
    def get_text_features(self, input_ids, instruction, attention_mask=None):
        return self.words(input_ids).mean(dim=1)


class OwnOfImages(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.colours = nn.Linear(3, 16)
        self.post_init()

    def get_image_features(self, pixel_values):
        return self.colours(pixel_values.mean(dim=(2, 3)))
