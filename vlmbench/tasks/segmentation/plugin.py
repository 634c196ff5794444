"""The segmentation plugin: asks a model for the class of every pixel, and computes metrics from the pixels.

``kind.py`` names it, and :mod:`vlmbench.run` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlmbench.cards import TaskCard
from vlmbench.data.base import MaskDataset, TargetKind
from vlmbench.data.formats.pixels import say_turned_mask, shown_size, turn_in
from vlmbench.errors import BadSampleError, CardError, DataError, LabelError, UnsupportedError
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.decoded import Picture, Truth
from vlmbench.metrics.segmentation import PixelCounts, joined, pixel_counts
from vlmbench.models.base import Model, dual_encoder
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import UNSCORED_CLASSES, VOID_MASKS
from vlmbench.tasks.base import Datasets, Outcome, TaskOptions, check_known_metrics, nothing_scored, settle_protocol
from vlmbench.tasks.samples import own_pictures
from vlmbench.tasks.segmentation.class_words import Vocabulary, vocabulary
from vlmbench.tasks.segmentation.decide import Rule, decide
from vlmbench.tasks.segmentation.measures import MEASURES, class_results, metric_values
from vlmbench.tasks.segmentation.pamr import refine
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol
from vlmbench.tasks.segmentation.readout import Native, choose_readout, refusal
from vlmbench.tasks.segmentation.resize import bilinear
from vlmbench.tasks.segmentation.scorers import NativeScorer, PatchScorer, Scorer, patch_scale
from vlmbench.tasks.segmentation.table import prediction_table
from vlmbench.tasks.subset import choose
from vlmbench.visuals.masks import draw_masks
from vlmbench.visuals.text import font_path
from vlmbench.wording import counted, either

_OF_PATCHES = ("short_side", "long_side_limit", "window", "stride", "remainder")
"""The fields of the protocol that have no effect on a model's own head."""


@dataclass(frozen=True)
class _Loaded:
    """What is loaded with an image.

    Attributes:
        labels: (H, W) the label of each pixel.
        prepared: (3, h, w) the image in the form that the scorer needs.
    """

    labels: NDArray[np.int64]
    prepared: Tensor


@dataclass(frozen=True)
class _Drawn:
    """The answer to one image and the truth, (H, W) each, for a picture.

    The truth is kept because reading the mask again would make its remarks again.
    """

    predicted: NDArray[np.int32]
    labels: NDArray[np.int32]


@dataclass
class _Void:
    """Counts the pixels of the masks that are not scored, mask by mask."""

    pixels: int = 0
    masks: int = 0
    whole: list[str] = field(default_factory=list)

    def add(self, unscored: int, size: int, sample_id: str) -> None:
        self.pixels += unscored
        self.masks += unscored > 0
        if unscored == size:
            self.whole.append(sample_id)

    def __str__(self) -> str:
        return f"{counted(self.pixels, 'pixel')} of {counted(self.masks, 'mask')}"

    def say(self) -> None:
        """Make a remark about masks without a scored pixel."""
        if count := len(self.whole):
            say(
                VOID_MASKS,
                f"{counted(count, 'mask')} {either(count, 'has', 'have')} no pixel to score",
                brief=f"{counted(count, 'mask')} without a scored pixel",
                count=count,
                examples=self.whole,
            )


@dataclass(frozen=True)
class SegmentationQuestion:
    """Which class does each pixel show?

    Attributes:
        words: the words of each class.
    """

    card: TaskCard
    dataset: MaskDataset
    indices: Sequence[int]
    words: Vocabulary
    settings: SegmentationProtocol
    seed: int
    visuals: int = 0

    @property
    def prompts_sha256(self) -> str:
        """The SHA-256 hash of class names, their words and templates."""
        return self.words.sha256

    def protocol(self, model: Model) -> Mapping[str, Any]:
        """See :class:`~vlmbench.tasks.base.Question`.

        If the card leaves the readout or the scale open, the protocol has those that are used with this model.
        """
        readout = choose_readout(model, self.settings.readout)
        fields = self.settings.model_dump(exclude={"synonyms", "readout", "logit_scale", "pamr_dilations"})
        if self.settings.pamr_steps:
            fields["pamr_dilations"] = self.settings.pamr_dilations
        prompted = self.words.protocol
        if isinstance(readout, Native):
            prompted = {**prompted, "head": "one text a word", "templates": [self.words.templates[0]]}
            fields = {name: value for name, value in fields.items() if name not in _OF_PATCHES}
        else:
            fields["logit_scale"] = patch_scale(dual_encoder(model).logit_scale, self.settings)
            fields["resize"] = "bilinear without smoothing, sides rounded half up (mmcv)"
        return {
            **prompted,
            "readout": readout.name if readout else self.settings.readout,
            **fields,
            "mask_values": self.dataset.mask_values,
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "absent_classes": "left out of means",
        }

    def settings_in_use(self, model: Model) -> frozenset[str]:
        """The fields of the protocol that play a part in the model's answer.

        The protocol in the record lists synonyms under ``words``, so ``synonyms`` is added here. If the user gives
        class names, they replace the synonyms, and ``synonyms`` is left out.
        """
        synonyms = {"synonyms"} if self.words.prompts_of.class_names_from != "option" else set()
        return frozenset({*self.protocol(model), *synonyms})

    def unsupported(self, model: Model) -> str | None:
        """Why this model cannot answer; None if it can.

        It needs a segmentation head of its own, or patch features in the space of its texts.
        """
        return refusal(model, self.settings.readout)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Score each pixel for each word, choose its class, and count the pixels of each class."""
        scorer = self._scorer(engine)
        counts: list[PixelCounts] = []
        void = _Void()
        contents: dict[int, str] = {}
        drawn: dict[int, _Drawn] = {}

        def load(index: int, image: PIL.Image.Image) -> Truth[_Loaded]:
            mask = self.dataset.read_mask(index)
            labels = self._labels(mask, index, image)
            if turn_in(mask) is not None:
                say_turned_mask(self.dataset.samples[index].id)
            return Truth(_Loaded(labels, scorer.prepare(image)), files=(mask,))

        with closing(
            engine.pictures(self.dataset, self.indices, load, self._annotated)
        ) as pictures:  # closing ends the threads that read images
            for picture in pictures:
                predicted, labels = self._predict(scorer, picture), picture.truth.labels
                counts.append(self._count(predicted, labels))
                void.add(labels.size - int(counts[-1].truth.sum()), labels.size, self.dataset.samples[picture.index].id)
                if len(drawn) < self.visuals:
                    drawn[picture.index] = _Drawn(predicted.astype(np.int32), labels.astype(np.int32))
                contents[picture.index] = picture.content
        if not contents:
            raise nothing_scored()
        every = joined(counts)
        if not every.truth.any():
            raise DataError(
                f"{self.dataset.info.location}: no pixel of {counted(len(every), 'mask')} is scored "
                f"({self.dataset.mask_values})",
                hint="The options `ignore` and `values` of the card's source decide which values are scored.",
            )
        void.say()
        self._tell_of_unscored(every, void)
        with engine.timed("metrics"):
            return Outcome(
                metrics=metric_values(self.card.metrics, every, self.seed),
                per_class=class_results(every, self.words.class_names),
                predictions=prediction_table([self.dataset.samples[i].id for i in contents], contents.values(), every),
                contents=contents,
                visuals=partial(
                    own_pictures, self.dataset, drawn, engine.model.card.name, self._picture, self._annotated
                )
                if drawn
                else None,
            )

    def _picture(self, image: PIL.Image.Image, index: int, drawn: _Drawn, title: str) -> bytes:
        return draw_masks(
            image,
            drawn.predicted.astype(np.int64),
            drawn.labels.astype(np.int64),
            self.words.class_names,
            ignore_label=self.dataset.ignore_label,
            title=title,
        )

    def _annotated(self, index: int) -> tuple[int, int] | None:
        """The size of a sample's mask after its orientation tag, if it has one, is applied."""
        return shown_size(BytesIO(self.dataset.read_mask(index)))

    def _scorer(self, engine: FeatureEngine) -> Scorer:
        readout = choose_readout(engine.model, self.settings.readout)
        if readout is None:
            raise UnsupportedError(
                f"{engine.model.card.name} cannot be asked {self.card.name}: "
                f"{refusal(engine.model, self.settings.readout)}"
            )
        if isinstance(readout, Native):
            return NativeScorer(engine, readout, self.words)
        return PatchScorer(engine, readout, self.words, self.settings)

    def _labels(self, mask: bytes, index: int, image: PIL.Image.Image) -> NDArray[np.int64]:
        sample_id = self.dataset.samples[index].id
        labels = self.dataset.labels(mask, sample_id)
        height, width = labels.shape
        if (width, height) != image.size:
            raise BadSampleError(
                sample_id,
                f"its mask is {width} x {height} pixels, the image {image.width} x {image.height}",
                hint="Use the masks that belong to these image files: they do not fit scaled or rotated copies.",
            )
        largest, classes = int(labels.max(initial=0)), len(self.words.class_names)
        if largest >= classes:  # the source cannot check it if the card has no class names
            largest = int(labels.max(initial=0, where=labels != self.dataset.ignore_label))
        if largest >= classes:
            raise LabelError(
                f"sample {sample_id!r}: its mask has label {largest}, but there are {classes} classes (labels 0 to "
                f"{classes - 1})"
            )
        return labels

    def _predict(self, scorer: Scorer, picture: Picture[_Loaded]) -> NDArray[np.int64]:
        """The (H, W) predicted classes of an image."""
        prepared = picture.truth.prepared
        with torch.inference_mode():
            scores = scorer.score(picture.image, prepared)
            if self.settings.pamr_steps:
                # As in NACLIP, the prepared image guides the refinement, resized to the image's own size.
                guide = bilinear(prepared, (picture.image.height, picture.image.width))
                scores = refine(scores, guide, self.settings.pamr_steps, self.settings.pamr_dilations)
            rule = Rule(
                owners=torch.tensor(self.words.owners),
                num_classes=len(self.words.class_names),
                scale=scorer.scale,
                probability_threshold=self.settings.probability_threshold,
                area_threshold=self.settings.area_threshold,
            )
            return decide(scores, rule).numpy()

    def _count(self, predicted: NDArray[np.int64], labels: NDArray[np.int64]) -> PixelCounts:
        return pixel_counts(predicted, labels, len(self.words.class_names), ignore_label=self.dataset.ignore_label)

    def _tell_of_unscored(self, counts: PixelCounts, void: _Void) -> None:
        absent = [self.words.class_names[label] for label in np.flatnonzero(counts.truth.sum(axis=0) == 0)]
        if absent:
            not_scored = ""
            if void.pixels:
                were = either(void.pixels, "was", "were")
                not_scored = f", in which {void} {were} not scored ({self.dataset.mask_values})"
            say(
                UNSCORED_CLASSES,
                f"{len(absent):,} of {counts.num_classes:,} classes {either(len(absent), 'is', 'are')} in no mask of "
                f"the {counted(len(counts), 'image')}{not_scored}",
                brief=f"{len(absent):,} of {counts.num_classes:,} classes in no mask",
                count=len(absent),
                examples=absent,
            )


class Segmentation:
    """The plugin, see :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    class_prompts = True
    protocol_fields: frozenset[str] = frozenset(SegmentationProtocol.model_fields)

    def target(self, card: TaskCard) -> TargetKind:
        return "mask"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse unknown metrics, impossible protocols and ``multi_label``."""
        where = f"task {card.name!r}"
        check_known_metrics(card.metrics, MEASURES, where=where)
        settle_protocol(SegmentationProtocol, card, options)
        if card.multi_label:
            raise CardError(f"{where}: segmentation cards have no `multi_label`: remove it")
        if options.visuals:
            font_path()  # raises if the user's font file is not a font

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> SegmentationQuestion:
        """Choose the words, the protocol and the samples."""
        dataset = datasets["test"]
        if not isinstance(dataset, MaskDataset):
            raise LabelError(f"{dataset.info.location}: the data has no masks, but a segmentation task needs them")
        settings = settle_protocol(SegmentationProtocol, card, options)
        return SegmentationQuestion(
            card=card,
            dataset=dataset,
            indices=choose(dataset.samples, options),
            words=vocabulary(card, dataset, options, settings),
            settings=settings,
            seed=options.seed,
            visuals=options.visuals,
        )


PLUGIN = Segmentation()
