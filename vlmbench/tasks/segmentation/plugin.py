"""The segmentation plugin: asks a model for the class of every pixel, and computes metrics from the pixels.

``kind.py`` names it, and :mod:`vlmbench.run` uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, ClassVar

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
from vlmbench.features.images.read import Bad
from vlmbench.features.workers import in_threads
from vlmbench.metrics.segmentation import PixelCounts, joined, pixel_counts
from vlmbench.models.base import Answers, Model, capability, dual_encoder
from vlmbench.tasks.base import Datasets, Outcome, TaskOptions, check_known_metrics, nothing_scored, settle_protocol
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.given.contents import given_contents
from vlmbench.tasks.given.matching import refuse_or_leave_out
from vlmbench.tasks.samples import own_pictures
from vlmbench.tasks.segmentation.class_words import Vocabulary, vocabulary
from vlmbench.tasks.segmentation.decide import Rule, decide
from vlmbench.tasks.segmentation.given import ShiftCheck, find_masks, read_predicted, saving_masks
from vlmbench.tasks.segmentation.measures import MEASURES, class_results, metric_values
from vlmbench.tasks.segmentation.pamr import refine
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol
from vlmbench.tasks.segmentation.readout import Native, choose_readout, refusal
from vlmbench.tasks.segmentation.resize import bilinear
from vlmbench.tasks.segmentation.scorers import NativeScorer, PatchScorer, Scorer, patch_scale
from vlmbench.tasks.segmentation.table import prediction_table
from vlmbench.tasks.segmentation.unscored import Void, tell_of_unscored
from vlmbench.tasks.subset import choose
from vlmbench.visuals.masks import draw_masks
from vlmbench.visuals.text import font_path
from vlmbench.wording import counted

_OF_PATCHES = ("short_side", "long_side_limit", "window", "stride", "remainder")
"""The fields of the protocol that have no effect on a model's own head."""
_OF_MODELS = ("head", "templates", "templates_from")
_AHEAD = 4
"""The number of masks that are read before they are counted."""


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


@dataclass(frozen=True)
class _Predicted:
    """The (H, W) predicted classes and labels of one sample, and its content hash."""

    index: int
    predicted: NDArray[np.int64]
    labels: NDArray[np.int64]
    content: str


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
    answer_suffixes: ClassVar[Sequence[str]] = ("",)

    @property
    def prompts_sha256(self) -> str:
        """The SHA-256 hash of class names, their words and templates."""
        return self.words.sha256

    def protocol(self, model: Model) -> Mapping[str, Any]:
        """See :class:`~vlmbench.tasks.base.Question`.

        If the card leaves the readout or the scale open, the protocol has those that are used with this model.
        """
        scored = {
            "mask_values": self.dataset.mask_values,
            "metrics": list(self.card.metrics),
            "main_metric": self.card.main_metric,
            "absent_classes": "left out of means",
        }
        if capability(model, Answers) is not None:  # how it prompts classes and reads patches is not known
            prompted = {name: value for name, value in self.words.protocol.items() if name not in _OF_MODELS}
            return {**prompted, "background": self.settings.background, **scored}
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
            **scored,
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

        def load(index: int, image: PIL.Image.Image) -> Truth[_Loaded]:
            mask = self.dataset.read_mask(index)
            labels = self._labels_of(mask, index, image.size)
            return Truth(_Loaded(labels, scorer.prepare(image)), files=(mask,))

        with (
            closing(engine.pictures(self.dataset, self.indices, load, self._annotated)) as pictures,
            saving_masks(engine.saving, len(self.words.class_names)) as save,
        ):  # closing ends the threads that read images

            def predicted() -> Iterator[_Predicted]:
                for picture in pictures:
                    found = self._predict(scorer, picture)
                    save(self.dataset.samples[picture.index].id, found)
                    yield _Predicted(picture.index, found, picture.truth.labels, picture.content)

            return self._outcome(engine, predicted())

    def answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        """Read the predicted masks of a folder, and count the pixels of each class.

        Raises:
            ModelError: a mask is missing or cannot be used.
        """
        masks = find_masks(given.path, self.dataset)
        missing = [self.dataset.samples[index].id for index in self.indices if index not in masks]
        refuse_or_leave_out(missing, len(self.indices), given.missing, given.path.name, str(given.path.parent))
        indices = [index for index in self.indices if index in masks]
        contents = given_contents(engine, self.dataset, indices, given)
        first = engine.model.card.options.get("first_value")
        shift = ShiftCheck()

        def load(index: int) -> _Predicted | Bad:
            try:
                labels = self._labels_of(self.dataset.read_mask(index), index)
            except BadSampleError as error:
                return Bad(error, contents[index])
            ignore, classes = self.dataset.ignore_label, len(self.words.class_names)
            found = read_predicted(masks[index], labels, ignore, classes, first or 0)
            return _Predicted(index, found, labels, contents[index])

        def predicted(loaded: Iterable[_Predicted | Bad]) -> Iterator[_Predicted]:
            for each in loaded:
                if isinstance(each, _Predicted):
                    if first is None:
                        shift.add(each.predicted, each.labels, self.dataset.ignore_label)
                    yield each
                elif not engine.settings.skip_bad:
                    raise each.error
                else:
                    engine.tally.bad.append(each.sample())
            shift.raise_if_shifted(given.path)

        threads = engine.settings.decoding_threads
        with closing(in_threads(load, list(contents), threads, _AHEAD, engine.tally.clock)) as loaded:
            return self._outcome(engine, predicted(loaded))

    def _outcome(self, engine: FeatureEngine, predicted: Iterable[_Predicted]) -> Outcome:
        counts: list[PixelCounts] = []
        void = Void()
        contents: dict[int, str] = {}
        drawn: dict[int, _Drawn] = {}
        for each in predicted:
            labels = each.labels
            counts.append(self._count(each.predicted, labels))
            void.add(labels.size - int(counts[-1].truth.sum()), labels.size, self.dataset.samples[each.index].id)
            if len(drawn) < self.visuals:
                drawn[each.index] = _Drawn(each.predicted.astype(np.int32), labels.astype(np.int32))
            contents[each.index] = each.content
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
        tell_of_unscored(every, void, self.words.class_names, self.dataset.mask_values)
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

    def _labels_of(self, mask: bytes, index: int, image: tuple[int, int] | None = None) -> NDArray[np.int64]:
        """The (H, W) labels of a sample.

        Args:
            image: width and height of the image; None if the image is not read.
        """
        sample_id = self.dataset.samples[index].id
        labels = self.dataset.labels(mask, sample_id)
        height, width = labels.shape
        if image is not None and (width, height) != image:
            raise BadSampleError(
                sample_id,
                f"its mask is {width} x {height} pixels, the image {image[0]} x {image[1]}",
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
        if turn_in(mask) is not None:
            say_turned_mask(sample_id)
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
