"""The detection plugin: a model classifies given boxes or finds boxes itself, and the plugin computes its metrics.

``kind.py`` names it, and :mod:`vlmbench.run` uses it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from hashlib import sha256
from importlib.util import find_spec
from itertools import islice
from typing import Any

import PIL.Image

from vlmbench.cards import TaskCard, fill_template
from vlmbench.data.base import ImageDataset, TargetKind
from vlmbench.data.boxes import AnnotatedSizes, BoxFacts, facts_of
from vlmbench.data.labels import check_boxes
from vlmbench.data.shown import AnnotatedSize
from vlmbench.errors import (
    BadSampleError,
    CardError,
    DataError,
    MissingDependencyError,
    UnsupportedError,
    UsageError,
)
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.images.decoded import Picture, Truth
from vlmbench.metrics.detection.engines import ENGINES
from vlmbench.models.base import Model
from vlmbench.prompts import PromptSet, prompt_set
from vlmbench.tasks.base import Datasets, Outcome, TaskOptions, nothing_scored, settle_protocol
from vlmbench.tasks.detection.answers import Answer, answer_native, answer_regions
from vlmbench.tasks.detection.given import read_given, tell_of_left_out, with_masks
from vlmbench.tasks.detection.groups import class_groups
from vlmbench.tasks.detection.instances import Masks, masks_sha256, true_masks
from vlmbench.tasks.detection.measures import check_metrics, measure
from vlmbench.tasks.detection.own_detector import (
    NATIVE,
    ask_own_detector,
    cannot_be_given,
    cannot_name_boxes,
    lacks_detector,
    lacks_masks,
    settled_for,
    tell_of_own_boxes,
)
from vlmbench.tasks.detection.pictures import draw_answer
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.detection.readouts import lacks_readout, readout_name, region_features
from vlmbench.tasks.detection.regions import (
    Proposals,
    Regions,
    check_selective_search,
    grouped,
    proposals_of,
    selective_search,
    true_regions,
)
from vlmbench.tasks.detection.results import Answered, boxes_of, save_results
from vlmbench.tasks.detection.results_file import RESULTS, RESULTS_OF_MASKS
from vlmbench.tasks.detection.told import (
    check_a_choice,
    check_objects,
    tell_of_classes,
    tell_of_data,
    tell_of_given_boxes,
    tell_of_lost,
)
from vlmbench.tasks.given.base import GivenAnswers
from vlmbench.tasks.given.contents import given_contents
from vlmbench.tasks.samples import own_pictures
from vlmbench.tasks.subset import choose
from vlmbench.transfer.methods.zero_shot import ensemble
from vlmbench.visuals.text import font_path
from vlmbench.wording import counted


@dataclass(frozen=True)
class DetectionQuestion:
    """Which classes are in each image, and where?

    Attributes:
        facts: what the data states besides its boxes, such as image ids.
        groups: for each group of classes, its name and its labels.
        proposals: the boxes of a results file, if the protocol names one.
        search: the version of selective search, if the protocol uses it.
        masks: the true masks, if a metric compares masks.
    """

    card: TaskCard
    dataset: ImageDataset
    indices: Sequence[int]
    prompts: PromptSet
    seed: int
    how: DetectionProtocol
    facts: BoxFacts
    groups: Mapping[str, frozenset[int]] = field(default_factory=dict)
    proposals: Proposals | None = None
    search: str | None = None
    masks: Masks | None = None
    visuals: int = 0

    @property
    def answer_suffixes(self) -> Sequence[str]:
        """The endings of the files that answer it."""
        return RESULTS if self.masks is None else RESULTS_OF_MASKS

    @property
    def prompts_sha256(self) -> str:
        """The SHA-256 hash of class names and templates."""
        return self.prompts.sha256

    def asked_of(self, model: Model) -> DetectionQuestion:
        """The question for this model. It may use the model's own detector (see :func:`.own_detector.settled_for`).

        Raises:
            LabelError: there is only one class, so every model would have the same score.
        """
        how = settled_for(model, self.how, self.card)
        check_a_choice(how, len(self.prompts.class_names), self.card)
        return self if how is self.how else replace(self, how=how)

    def protocol(self, model: Model) -> Mapping[str, Any]:
        return self.asked_of(model)._protocol(model)

    def settings_in_use(self, model: Model) -> frozenset[str]:
        """The fields of the protocol that play a part in the model's answer.

        The protocol in the record names a proposals file by its hash (``proposals_sha256``), so ``proposals`` is added
        here. LVIS' evaluator uses its own groups of classes, so ``groups`` is left out with it.
        """
        names = {*self.protocol(model), *(["proposals"] if self.proposals is not None else [])}
        return frozenset(names - ({"groups"} if self.how.evaluator == "lvis" else set()))

    def _protocol(self, model: Model) -> dict[str, Any]:
        settled: dict[str, Any] = {**self.prompts.protocol, **self.how.settled(readout_name(model, self.how))}
        if self.how.regions == NATIVE:
            settled["head"] = "the model's own detector"
        if self.proposals is not None:
            settled["proposals_sha256"] = self.proposals.sha256
        # Image ids join proposals to images, and evaluators rank equal scores in the order of the ids.
        named = [(self.dataset.samples[index].id, self.facts.image_ids[index]) for index in self.indices]
        settled["image_ids_sha256"] = sha256(json.dumps(named).encode()).hexdigest()
        if self.search is not None:
            settled["selective_search"] = self.search
        if self.masks is not None:
            settled["masks_sha256"] = masks_sha256(self.masks)
        if self.how.evaluator == "lvis":
            known = [(self.facts.absent, self.facts.partial, self.facts.frequencies)]
            settled["annotations_sha256"] = sha256(json.dumps(known).encode()).hexdigest()
        return {**settled, "metrics": list(self.card.metrics), "main_metric": self.card.main_metric}

    def unsupported(self, model: Model) -> str | None:
        """Why this model cannot answer; None if it can. It may lack a detector or patch features, for example."""
        if settled_for(model, self.how, self.card).regions == NATIVE:
            if len(self.prompts.templates) != 1:
                return "its detector takes one text for each class: give one template with --templates FILE"
            return lacks_masks(model, self.card) if self.masks is not None else lacks_detector(model, self.card)
        if reason := cannot_name_boxes(model, self.card):
            return reason
        return lacks_readout(model, self.how)

    def answer(self, engine: FeatureEngine) -> Outcome:
        """Classify the boxes of each image in turn, then evaluate all images together."""
        return self._told(engine.model)._answer(engine)

    def answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        """Read the detections of a results file, then evaluate all images together.

        Raises:
            ModelError: the file cannot be used.
            UnsupportedError: the question gives models boxes to classify, and the file has boxes that a system found.
        """
        if reason := cannot_be_given(engine.model, self.how, self.card, given.path):
            raise UnsupportedError(f"{engine.model.card.name} cannot be asked {self.card.name}: {reason}")
        return self._told(engine.model)._answer_given(engine, given)

    def _told(self, model: Model) -> DetectionQuestion:
        """The question for this model. A remark says whose boxes count, if the card and the user leave it open."""
        own = self.asked_of(model)
        if own is not self:
            tell_of_own_boxes()
        elif "regions" not in self.how.model_fields_set:
            tell_of_given_boxes()
        return own

    def _answer_given(self, engine: FeatureEngine, given: GivenAnswers) -> Outcome:
        found = read_given(
            given.path,
            self.dataset,
            self.indices,
            self.facts,
            self.prompts.class_names,
            engine.model.card.options.get("category_ids"),
        )
        if self.masks is not None:
            found = with_masks(found, self.dataset, self.facts, self.masks)
        tell_of_left_out(found, self.how)
        contents = given_contents(engine, self.dataset, self.indices, given)
        return self._outcome(engine, {index: found.answer(index, self.how) for index in contents}, contents)

    def _answer(self, engine: FeatureEngine) -> Outcome:
        if len(self._without_proposals()) == len(self.indices):
            raise DataError(
                f"{self.card.name}: the proposals file has no proposal for any image of the run",
                hint="Use a proposals file that covers these images.",
            )
        answers: dict[int, Answer] = {}
        contents: dict[int, str] = {}
        lost = 0
        with closing(self._pictures(engine)) as pictures:  # closing ends the threads that read images
            for picture, answer in self._answers(engine, pictures):
                answers[picture.index], contents[picture.index] = answer, picture.content
                lost += picture.truth.lost if self.how.by_encoder else 0
        if not answers:
            raise nothing_scored()
        tell_of_lost(lost, "object" if self.how.regions == "ground-truth" else "proposal")
        outcome = self._outcome(engine, answers, contents)
        if engine.saving is not None:
            save_results(engine.saving, outcome.predictions, self.facts, self.prompts.class_names)
        return outcome

    def _outcome(self, engine: FeatureEngine, answers: Mapping[int, Answer], contents: Mapping[int, str]) -> Outcome:
        drawn = dict(islice(answers.items(), self.visuals))
        scored = sorted(answers)
        answered = Answered(
            indices=scored,
            contents=[contents[index] for index in scored],
            answers=[answers[index] for index in scored],
            facts=self.facts,
            classes=len(self.prompts.class_names),
            true_masks=self.masks,
        )
        with engine.timed("metrics"):
            measured = measure(
                answered, self.dataset, self.card.metrics, self.prompts.class_names, self.how, self.groups, self.seed
            )
            return Outcome(
                metrics=measured.metrics,
                per_class=measured.per_class,
                predictions=answered.table(self.dataset),
                contents=contents,
                visuals=partial(
                    own_pictures, self.dataset, drawn, engine.model.card.name, self._picture, self._annotated
                )
                if self.visuals
                else None,
            )

    def _picture(self, image: PIL.Image.Image, index: int, answer: Answer, title: str) -> bytes:
        masks = None if self.masks is None else self.masks[index]
        return draw_answer(image, answer, boxes_of(self.dataset, index), masks, self.prompts.class_names, title)

    def _pictures(self, engine: FeatureEngine) -> Generator[Picture[Regions], None, None]:
        return engine.pictures(self.dataset, self.indices, self._regions, self._annotated)

    @property
    def _annotated(self) -> AnnotatedSize | None:
        return self._sizes if self._sizes.told else None

    @cached_property
    def _sizes(self) -> AnnotatedSizes:
        return AnnotatedSizes(self.dataset, self.facts)

    def _texts(self) -> list[str]:
        words = [fill_template(template, word) for word in self.how.background for template in self.prompts.templates]
        return [*self.prompts.prompts, *words]

    def _regions(self, index: int, image: PIL.Image.Image) -> Truth[Regions]:
        """The regions of one image. Worker threads call it."""
        if not self._sizes.fits(index, image.size):
            stated = self._sizes(index) or (0, 0)
            raise BadSampleError(
                self.dataset.samples[index].id,
                f"it is {image.width} x {image.height} pixels, but its boxes are for {stated[0]} x {stated[1]}",
                hint="Use the image files that were annotated: boxes do not fit scaled or rotated copies.",
            )
        masks = () if self.masks is None else self.masks[index]
        if odd := next((mask for mask in masks if (mask.width, mask.height) != image.size), None):
            raise BadSampleError(
                self.dataset.samples[index].id,
                f"it is {image.width} x {image.height} pixels, but a mask of it is {odd.width} x {odd.height}",
            )
        if self.how.regions == "selective-search":
            return Truth(selective_search(image, self.how.max_proposals))
        if self.proposals is not None:
            return Truth(self.proposals.regions(self.facts.image_ids[index], image, self.how.max_proposals))
        return Truth(true_regions(self.dataset.samples[index].target, image))

    def _answers(
        self, engine: FeatureEngine, pictures: Iterable[Picture[Regions]]
    ) -> Iterator[tuple[Picture[Regions], Answer]]:
        names = self.prompts.class_names
        if not self.how.by_encoder:
            engine.tell_of_labels(self.prompts.prompts, names)
            yield from ((picture, self._detected(engine, picture)) for picture in pictures)
            return
        classes = len(names)
        head = ensemble(engine.texts(self._texts(), called="prompt"), classes + len(self.how.background))
        engine.tell_of_same_classes(head, [*names, *self.how.background])
        for group in grouped(pictures, engine.settings.batch_size):
            for picture, features in zip(group, region_features(engine, group, self.how), strict=True):
                scale = engine.encoders.logit_scale
                yield picture, answer_regions(picture.truth, features, head, classes, scale, self.how)

    def _detected(self, engine: FeatureEngine, picture: Picture[Regions]) -> Answer:
        found = ask_own_detector(engine, picture.image, self.prompts.prompts, masks=self.masks is not None)
        size = None if self.masks is None else picture.image.size
        return answer_native(found, len(self.prompts.class_names), self.how, size)

    def _without_proposals(self) -> list[str]:
        """The ids of the images without an entry in the proposals file."""
        if self.proposals is None:
            return []
        without = (index for index in self.indices if self.facts.image_ids[index] not in self.proposals.by_image)
        return [self.dataset.samples[index].id for index in without]


class Detection:
    """The plugin, see :class:`~vlmbench.tasks.base.TaskPlugin`."""

    version = 1
    class_prompts = True
    protocol_fields: frozenset[str] = frozenset(DetectionProtocol.model_fields)

    def target(self, card: TaskCard) -> TargetKind:
        return "boxes"

    def check(self, card: TaskCard, options: TaskOptions) -> None:
        """Refuse unknown metrics and impossible protocols, before any work starts."""
        where = f"task {card.name!r}"
        if card.multi_label:
            raise CardError(f"{where}: detection cards have no `multi_label`: remove it")
        how = settle_protocol(DetectionProtocol, card, options)
        check_metrics(card.metrics, how, where=where)
        if how.regions == "native" and card.templates is not None and len(card.templates) != 1:
            several = counted(len(card.templates), "template")
            raise CardError(
                f"{where}: a detector takes one text for each class, but there are {several}",
                hint="Keep one template in the card.",
            )
        if options.visuals:
            font_path()  # raises if the user's font file is not a font

    def ask(self, card: TaskCard, datasets: Datasets, options: TaskOptions) -> DetectionQuestion:
        """Choose the prompts, the samples and the source of the boxes."""
        dataset = datasets["test"]
        how = settle_protocol(DetectionProtocol, card, options)
        prompts = prompt_set(card, dataset, options)
        classes = len(prompts.class_names)
        check_boxes(dataset.samples, classes, place=dataset.info.location)
        facts = facts_of(dataset, classes)
        if how.evaluator in ENGINES and find_spec(ENGINES[how.evaluator][0]) is None:
            raise MissingDependencyError(
                f"{card.name}: the evaluator {how.evaluator} is not installed", hint="pip install 'vlmbench[detection]'"
            )
        if how.regions == "native" and len(prompts.templates) != 1:
            several = counted(len(prompts.templates), "template")
            raise UsageError(
                f"{card.name}: a detector takes one text for each class, but there are {several}",
                hint="Give one template with --templates FILE.",
            )
        question = DetectionQuestion(
            card=card,
            dataset=dataset,
            indices=choose(dataset.samples, options),
            prompts=prompts,
            seed=options.seed,
            how=how,
            facts=facts,
            groups=class_groups(card, how, dataset, facts, options),
            proposals=proposals_of(card.name, how, facts),
            search=check_selective_search() if how.regions == "selective-search" else None,
            visuals=options.visuals,
        )
        check_objects(dataset, question.indices, card)
        question = replace(question, masks=true_masks(card, dataset, facts, question.indices))
        tell_of_data(
            without_proposals=question._without_proposals(),
            images=len(question.indices),
            partial=facts.absent is not None and how.evaluator != "lvis",
            evaluator=how.evaluator,
        )
        tell_of_classes(dataset, prompts, card)
        return question


PLUGIN = Detection()
