"""Decides which job a worker gets next. The pool asks it.

Loading a model and encoding a dataset's images are what costs. So a worker keeps its model as long as jobs of it wait;
jobs whose images or prompts another worker is encoding now wait for the cache; and a worker that changes its model
takes the model that the fewest workers have and that has the most work left.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from vlmbench.run.job import Job
from vlmbench.run.process_state import ProcessState
from vlmbench.tasks.base import EncodesImages

_LOOKS_AT = 256
"""The jobs of a model among which one is chosen, so that a plan of ten thousand pairs is not searched for each."""


@dataclass(frozen=True)
class Outline:
    """What is known of a job before any model is loaded.

    Attributes:
        images: equal for jobs whose features the cache shares.
        features: equal for jobs that use the same of these features: those of the images that are scored, or also those
            of the images that a transfer method learns from.
        prompts: equal for jobs that have the same prompts.
        size: the number of samples.
        splits: whether its images can be encoded in parts.
    """

    job: Job
    images: Hashable
    prompts: Hashable
    size: int
    splits: bool

    @property
    def features(self) -> Hashable:
        return self.images, self.job.options.transfer.adapts

    @property
    def provides(self) -> set[Hashable]:
        """The features that are in the cache once the job is done."""
        return {(self.images, False), self.features}


def outlined(job: Job, state: ProcessState) -> Outline:
    """The outline of a job, from the data that the driver has opened."""
    opened = state.task(job.task, job.options)
    question, options = opened.question, job.options
    model = job.model.name
    own = job.number
    if question is None:
        return Outline(job, ("images", own), ("prompts", own), 0, splits=False)
    size, encodes = len(question.indices), isinstance(question, EncodesImages)
    if not job.settings.use_cache or not (encodes or options.transfer.adapts):
        return Outline(job, ("images", own), ("prompts", own), size, splits=False)
    images = ("images", model, repr(job.task.sources), options.limit, options.stratified, options.seed)
    return Outline(job, images, ("prompts", model, question.prompts_sha256), size, splits=encodes)


@dataclass
class Waiting:
    """The jobs that no worker has got yet, by model."""

    _by_model: dict[str, dict[int, Outline]] = field(default_factory=dict)
    _size: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def __len__(self) -> int:
        return self._count

    def add(self, outline: Outline) -> None:
        model = outline.job.model.name
        self._by_model.setdefault(model, {})[outline.job.number] = outline
        self._size[model] = self._size.get(model, 0) + outline.size
        self._count += 1

    def remove(self, outline: Outline) -> None:
        model = outline.job.model.name
        del self._by_model[model][outline.job.number]
        self._size[model] -= outline.size
        self._count -= 1
        if not self._by_model[model]:
            del self._by_model[model], self._size[model]

    def all(self) -> list[Outline]:
        """Every job that waits, in no fixed order."""
        return [outline for jobs in self._by_model.values() for outline in jobs.values()]

    def largest_that_splits(self) -> int:
        """The size of the largest job that can be split; 0 if no such job waits. It looks at every job that waits."""
        return max((outline.size for outline in self.all() if outline.splits), default=0)

    def choose(
        self,
        model: str | None,
        *,
        loaded: Mapping[str, int],
        warm: Collection[Hashable],
        busy: Collection[Hashable],
        held: Collection[int] = (),
    ) -> Outline | None:
        """The best job for a worker; None if all that wait should wait longer.

        Args:
            model: the name of the model that the worker has loaded.
            loaded: how many workers have each model.
            warm: the features that are in the cache of the worker's node. Any number of workers may use them.
            busy: images and prompts that other workers are encoding.
            held: the numbers of jobs that another run is doing.
        """
        own = [model] if model in self._by_model else []
        others = sorted(
            (name for name in self._by_model if name != model),
            key=lambda name: (loaded.get(name, 0), -self._size[name]),
        )
        for name in (*own, *others):
            ready = self._ready(self._by_model[name].values(), warm, busy, held)
            if ready:
                return min(ready, key=lambda outline: (outline.features not in warm, -outline.size, outline.job.number))
        return None

    @staticmethod
    def _ready(
        outlines: Iterable[Outline], warm: Collection[Hashable], busy: Collection[Hashable], held: Collection[int]
    ) -> list[Outline]:
        free = (
            outline
            for outline in outlines
            if (outline.images not in busy or outline.features in warm)
            and outline.prompts not in busy
            and outline.job.number not in held
        )
        return list(islice(free, _LOOKS_AT))
