"""Keeps the state of one process between the jobs of a run: the loaded model, opened datasets and caches.

Executors make one for each process.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.data.contents import ContentHashes
from vlmbench.errors import VlmbenchError, unexpected
from vlmbench.features.cache.files import index_folder
from vlmbench.features.cache.rows import FeatureRows
from vlmbench.features.engine import FeatureEngine
from vlmbench.features.memory import FeatureMemory
from vlmbench.features.precision import check_precision, resolve_device
from vlmbench.features.run_cache import RunCache
from vlmbench.features.settings import EngineSettings
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model
from vlmbench.models.memory.given import GivenModel
from vlmbench.registry import load_plugin_file
from vlmbench.remarks.base import Gathered, Remark, gathered_remarks
from vlmbench.remarks.codes import WARNING
from vlmbench.run.fingerprint_index import FingerprintIndex
from vlmbench.run.job import RunSettings
from vlmbench.run.listener import Listener
from vlmbench.run.names import other_card
from vlmbench.run.opened import OpenedData, OpenedTask, open_task
from vlmbench.tasks import task_plugin
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer.asked import transfer_key

CPU_BATCH, ACCELERATOR_BATCH = 8, 256
"""The default number of images in a forward pass. An accelerator needs large batches (they are halved if memory runs
out). On two cores, a ViT-B/32 is 6% faster with 32 images than with 8. A convolutional network is 80% slower, because
the C library returns its larger activations to the system after every layer."""


def default_batch(device: torch.device | str) -> int:
    """The number of images in a forward pass, if the user does not name one."""
    return CPU_BATCH if torch.device(device).type == "cpu" else ACCELERATOR_BATCH


@dataclass
class _Loaded:
    """A model that is used beside the current one, or why it cannot be; with what is kept for it."""

    model: Model | VlmbenchError
    remarks: tuple[Remark, ...]
    cache: RunCache
    memory: FeatureMemory = field(default_factory=FeatureMemory)


def _question_key(card: TaskCard, options: TaskOptions) -> Hashable:
    """A key that few questions of a run share, so that one of thousands is found at once."""
    return card.name, transfer_key(options.transfer.protocol)


class ProcessState:
    """One model at a time, each opened dataset once, and the caches of one run.

    Args:
        listener: is told about loading, notes and progress.
        opened: tasks that are already open.
        objects: models in memory, by the name of their card.

    Attributes:
        opened: the open tasks.
        contents: the content fingerprints of earlier runs.
        hashes: the content hashes of single samples, from earlier runs too.
        model_remarks: the remarks made while the current model was loaded.
        halvings: how often the batch size is halved.
        once: makes the block that loads a model or opens a task, from words about it. Workers of one machine use it to
            download weights and data once.

    Raises:
        UsageError: the device or the precision cannot be used, or the cache's limit is not a number.
    """

    def __init__(
        self,
        settings: RunSettings,
        listener: Listener,
        opened: Iterable[OpenedTask] = (),
        objects: Mapping[str, GivenModel] | None = None,
    ) -> None:
        self.settings = settings
        self._objects = dict(objects or {})
        self.listener = listener
        self.contents = FingerprintIndex(index_folder(settings.use_cache))
        self._device = resolve_device(settings.device)
        self._precision = check_precision(settings.precision)
        self._cache = RunCache(settings.use_cache, self._precision)
        self.opened = list(opened)
        self._by_question: dict[Hashable, list[OpenedTask]] = {}
        for task in self.opened:
            self._by_question.setdefault(_question_key(task.card, task.options), []).append(task)
        self._card: ModelCard | None = None
        self._model: Model | VlmbenchError | None = None
        self.model_remarks: tuple[Remark, ...] = ()
        self._memory = FeatureMemory()
        self._others: dict[str, _Loaded] = {}
        self._closed: list[RunCache] = []
        self._datasets: dict[Hashable, OpenedData] = {}
        self.hashes = ContentHashes(index_folder(settings.use_cache))
        self.halvings = 0
        self.once: Callable[[str], AbstractContextManager[object]] = nullcontext

    @classmethod
    def of_new_process(cls, settings: RunSettings, listener: Listener) -> ProcessState:
        """The state of a new process. The user's plugins are loaded first.

        Raises:
            PluginError: a plugin fails.
            UsageError: as the class.
        """
        for path in settings.plugins:
            load_plugin_file(path)
        return cls(settings, listener)

    def task(self, card: TaskCard, options: TaskOptions, *, images_optional: bool = False) -> OpenedTask:
        """A task with its data, which is opened at the first call.

        Args:
            images_optional: whether data is opened without its images if only the files that list them are there.
        """
        known = self._by_question.setdefault(_question_key(card, options), [])
        for task in known:
            if task.options == options and task.card == card:
                return task
        settings = self.settings
        with self.once(f"data of {card.name}"):
            opened = open_task(
                card,
                task_plugin(card.plugin),
                options,
                settings.data_root,
                offline=settings.offline,
                shared=self._datasets,
                contents=self.hashes,
                images_optional=images_optional,
            )
        self.opened.append(opened)
        known.append(opened)
        return opened

    def model(self, card: ModelCard) -> Model:
        """The model of a card. It is loaded at the first call and replaces the previous model.

        Raises:
            VlmbenchError: it cannot be loaded. Later calls raise the same error without another try.
        """
        if self._card != card:
            self.release_model()
            self.listener.loading(card)
            self._card, (self._model, self.model_remarks) = card, self._loaded(card)
        if isinstance(self._model, VlmbenchError):
            raise self._model
        assert self._model is not None  # one of the two is there
        return self._model

    def model_problem(self, card: ModelCard) -> VlmbenchError | None:
        """Why the model of a card could not be loaded; None if it is loaded, or was not asked for."""
        return self._model if self._card == card and isinstance(self._model, VlmbenchError) else None

    def other_model(self, name: str) -> Model:
        """A model that a transfer method uses beside the current one. It is kept until the current one is released.

        Args:
            name: as ``-m`` takes it.

        Raises:
            UsageError, UnknownNameError, CardError: the name names no model, or several.
            VlmbenchError: it cannot be loaded. Later calls raise the same error without another try.
        """
        card = other_card(name, self._objects)
        if self._card == card:
            return self.model(card)
        if name not in self._others:
            self.listener.loading(card)
            cache = RunCache(self.settings.use_cache, self._precision)
            self._others[name] = _Loaded(*self._loaded(card), cache)
        found = self._others[name].model
        if isinstance(found, VlmbenchError):
            raise found
        return found

    def remarks_of_other(self, name: str) -> tuple[Remark, ...]:
        """The remarks made while another model was loaded."""
        return self._others[name].remarks if name in self._others else ()

    def engine(self, model: Model) -> FeatureEngine:
        """A new engine for one pair with the current model."""
        return self._engine(model, self._cache, self._memory)

    @property
    def device(self) -> str:
        """The torch device on which models are loaded."""
        return self._device

    def note_new_texts(self) -> None:
        """Note the texts that are encoded from now on, for :meth:`new_texts`."""
        self._cache.notes_texts = True

    def new_texts(self) -> FeatureRows | None:
        """The features of the texts that the current model encoded since the last call; None if it encoded no text."""
        return self._cache.new_texts()

    def _other_engine(self, name: str) -> FeatureEngine:
        model = self.other_model(name)
        kept = self._others.get(name)
        return self.engine(model) if kept is None else self._engine(model, kept.cache, kept.memory)

    def _engine(self, model: Model, cache: RunCache, memory: FeatureMemory) -> FeatureEngine:
        settings = EngineSettings(
            precision=self._precision,
            batch_size=max(1, (self.settings.batch_size or default_batch(model.device)) >> self.halvings),
            workers=self.settings.workers,
            skip_bad=self.settings.skip_bad,
        )
        return FeatureEngine(model, settings, cache, self.listener, memory=memory, others=self._other_engine)

    def count_features(self, engine: FeatureEngine) -> None:
        """Count the features that a pair computed and took from the cache, for ``vlmbench cache info``."""
        self._cache.count(engine.tally, engine.text_use, engine.seconds.get("text", 0.0))

    def release_model(self) -> None:
        """Release the current model, and the models that were used beside it."""
        self._card = self._model = None
        self._memory.clear()
        self._cache.close_model()
        for other in self._others.values():
            other.cache.close_model()
            self._closed.append(other.cache)
        self._others.clear()

    def finish(self) -> None:
        """End the run and release the feature cache."""
        self.release_model()
        for cache in (*self._closed, self._cache):
            cache.finish()
        self._closed.clear()

    def _loaded(self, card: ModelCard) -> tuple[Model | VlmbenchError, tuple[Remark, ...]]:
        """A model, or why it cannot be loaded; with the remarks made on the way."""
        options = LoadOptions(
            device=self._device,
            offline=self.settings.offline,
            trust_remote_code=self.settings.trust_remote_code,
        )
        said = Gathered()
        loaded: Model | VlmbenchError
        try:
            with gathered_remarks(WARNING, said), self.once(f"weights of {card.name}"):
                in_memory = self._objects.get(card.name)
                loaded = in_memory.load() if in_memory is not None else ADAPTERS.get(card.adapter)(card, options)
        except Exception as error:  # a bug in an adapter
            loaded = unexpected(error)
        for remark in said.remarks:
            self.listener.remark(card.name, remark)
        return loaded, tuple(said.remarks)
