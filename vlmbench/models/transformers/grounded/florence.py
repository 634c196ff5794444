"""Implements ``Detector`` for Florence-2, which writes the places of things as text. The adapter uses it.

The boxes have no confidences, so average precision depends on their order alone. A remark tells this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import PIL.Image
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from vlmbench.errors import ModelError
from vlmbench.markup import one_line
from vlmbench.models.base import Detections
from vlmbench.models.towers.token_reader import TextTokens
from vlmbench.models.transformers.family import Parts
from vlmbench.models.transformers.label_features import chunks, full_precision
from vlmbench.rgb import as_rgb

TASK = "<OPEN_VOCABULARY_DETECTION>"
"""The task that asks for the boxes of one text. ``<OD>`` asks for all things, with names that the model chooses."""
LABELS_AT_ONCE = 16
"""The number of labels for which text is generated at once, with several beams each."""
NEW_TOKENS = 1024
"""The longest answer, as in the library's examples of Florence-2. Each box takes four tokens."""
LONGEST_SHOWN = 60

Found = list[list[float]]


class FlorenceDetector:
    """The ``Detector`` of Florence-2: each label is a question of its own, and its answer is a list of boxes.

    The text is generated with the checkpoint's generation config without sampling, and parsed by the library's
    ``post_process_generation``. Answers that are outlines instead of boxes are left out. All scores are 1. The boxes of
    an image come in turns: the first box of each label, then the second. So a limit on the number of boxes leaves out
    later boxes, not later labels.

    Args:
        processor: the checkpoint's ``Florence2Processor``.
    """

    def __init__(self, parts: Parts, processor: Any) -> None:
        self._network = parts.network
        self._processor = processor
        self._device = parts.device

    @torch.inference_mode()
    def detect(self, images: Sequence[PIL.Image.Image], labels: Sequence[str]) -> list[Detections]:
        return [self._of_image(as_rgb(image), labels) for image in images]

    def _of_image(self, image: PIL.Image.Image, labels: Sequence[str]) -> Detections:
        answers: list[Found] = []
        if labels:
            pixels = self._processor.image_processor(images=image, return_tensors="pt")["pixel_values"]
            features = self._network.get_image_features(pixels.to(self._device)).pooler_output.float()
            for part in chunks(len(labels), LABELS_AT_ONCE):
                answers += self._answers(image, features, labels[part])
        return in_turns(answers, self._device)

    def _answers(self, image: PIL.Image.Image, features: Tensor, labels: Sequence[str]) -> list[Found]:
        """The boxes of some labels in one image, whose features are (1, P, D)."""
        network = self._network
        ids, mask = (part.to(self._device) for part in questions(self._processor, labels, features.shape[1]))
        self._refuse_long(labels, mask.sum(dim=1))
        with full_precision(self._device):
            embedded = network.get_input_embeddings()(ids)
            places = (ids == network.config.image_token_id)[..., None].expand_as(embedded)
            embedded = embedded.masked_scatter(places, features.expand(len(ids), -1, -1))
            read = network.model.language_model.encoder(inputs_embeds=embedded, attention_mask=mask)
            written = network.generate(
                encoder_outputs=BaseModelOutput(last_hidden_state=read.last_hidden_state),
                attention_mask=mask,
                max_new_tokens=longest_answer(network),
                do_sample=False,
            )
        texts = self._processor.batch_decode(written, skip_special_tokens=False)
        parse = self._processor.post_process_generation
        return [parse(text=text, task=TASK, image_size=image.size)[TASK]["bboxes"] for text in texts]

    def _refuse_long(self, labels: Sequence[str], counts: Tensor) -> None:
        most = int(self._network.config.text_config.max_position_embeddings)
        if int(counts.max()) > most:
            label = one_line(labels[int(counts.argmax())], LONGEST_SHOWN)
            raise ModelError(
                f"the question about the label {label!r} has {int(counts.max()):,} tokens with the image's, and the "
                f"model reads {most:,}",
                hint="Use a shorter class name or template.",
            )


def questions(processor: Any, labels: Sequence[str], places: int) -> tuple[Tensor, Tensor]:
    """The (C, L) ids and mask of the questions about C labels, after places for the image, padded to the longest.

    Raises:
        ModelError: a label holds the name of a task or of a token with a meaning of its own.
    """
    tokenizer = processor.tokenizer
    _refuse_commands(labels, [*processor.tasks_answer_post_processing_type, *tokenizer.get_added_vocab()])
    around = [processor.image_token_id] * places + [tokenizer.bos_token_id]
    texts = processor(text=[f"{TASK}{label}" for label in labels])["input_ids"]
    rows = [[*around, *text, tokenizer.eos_token_id] for text in texts]
    longest = max(map(len, rows), default=1)
    ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row)], mask[place, : len(row)] = torch.tensor(row), 1
    return ids, mask


def _refuse_commands(labels: Sequence[str], commands: Sequence[str]) -> None:
    for label in labels:
        if command := next((each for each in commands if each in label), None):
            raise ModelError(
                f"the label {one_line(label, LONGEST_SHOWN)!r} contains {command!r}, which is not text for this model "
                "but a command",
                hint="Rename the class, for example with --classnames FILE.",
            )


def label_reader(processor: Any, most: int) -> TextTokens:
    """How many tokens a question has, the image's included. It cannot be cut: :class:`FlorenceDetector` refuses it.

    Args:
        most: the number of tokens that the network reads.
    """
    places = processor.num_image_tokens

    def counts(labels: Sequence[str]) -> list[int]:
        return questions(processor, labels, places)[1].sum(dim=1).tolist() if labels else []

    return TextTokens(most, lambda labels: questions(processor, labels, 0)[0], counts)


def longest_answer(network: Any) -> int:
    """The number of tokens that may be generated."""
    return min(NEW_TOKENS, int(network.config.text_config.max_position_embeddings) - 1)


def in_turns(answers: Sequence[Found], device: torch.device) -> Detections:
    """The boxes of each label as detections of score 1: the first box of each label, then the second, and so on."""
    ordered = sorted((turn, label) for label, boxes in enumerate(answers) for turn in range(len(boxes)))
    boxes = torch.tensor([answers[label][turn] for turn, label in ordered], dtype=torch.float32, device=device)
    labels = torch.tensor([label for _, label in ordered], dtype=torch.long, device=device)
    return Detections(boxes.reshape(-1, 4), torch.ones(len(ordered), device=device), labels)
