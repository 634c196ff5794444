"""Keeps the feature cache of one run: it opens once for each model, counts after each pair, and is held until the end.

The processes of a run have one each, and the engine reads and writes it.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from vlmbench.features.cache.files import evict, features_folder, limit_bytes
from vlmbench.features.cache.key import feature_space
from vlmbench.features.cache.lock import SpaceLock
from vlmbench.features.cache.rows import FeatureRows, rows_of_space
from vlmbench.features.cache.space import FeatureSpace
from vlmbench.features.images.batch import ImageTally
from vlmbench.features.precision import Precision
from vlmbench.models.base import Model
from vlmbench.records import CacheUse

Encoder: TypeAlias = Literal["image", "text", "image vectors", "text vectors"]
"""An encoder of a model, by what it encodes, and whether it gives one vector or several."""


class RunCache:
    """The cache spaces of one run. Each is opened when a pair first asks for its features.

    Spaces that the run used are kept until it ends, so models of one run never evict each other.

    Attributes:
        notes_texts: whether :meth:`new_texts` is going to be asked for the texts that were encoded.

    Raises:
        UsageError: the cache's limit is not a number.
    """

    def __init__(self, use_cache: bool, precision: Precision) -> None:
        self._limit = limit_bytes()
        self._use_cache = use_cache
        self._precision = precision
        self._model: Model | None = None
        self.notes_texts = False
        self._open: dict[str, FeatureSpace] = {}
        self._held: list[SpaceLock] = []

    def of(self, model: Model, encoder: Encoder, width: int | None = None) -> FeatureSpace | None:
        """The cache space of one of the model's encoders; None without a cache, or for a model without an identity.

        Args:
            width: the number of values that the encoder gives an image or a text; None: those of a dual encoder.
        """
        if not self._use_cache or not model.identity.answers_again:
            return None
        if self._model is not model:
            self.close_model()
            self._model = model
        if encoder not in self._open:
            description = feature_space(model, encoder, self._precision, width)
            self._open[encoder] = FeatureSpace(
                features_folder(), description, description["embedding_dim"], limit=self._limit
            )
            if encoder == "text" and self.notes_texts:
                self._open[encoder].noted = []
        return self._open[encoder]

    def count(self, tally: ImageTally, texts: CacheUse, text_seconds: float) -> None:
        """Add a pair's encoded items and cache hits to the counts that ``vlmbench cache info`` shows."""
        if space := self._open.get("image") or self._open.get("image vectors"):
            space.count(encoded=tally.encoded, seconds=tally.forward_seconds, hits=tally.hits)
        if space := self._open.get("text") or self._open.get("text vectors"):
            space.count(encoded=texts.text_misses, seconds=text_seconds, hits=texts.text_hits)

    def new_texts(self) -> FeatureRows | None:
        """The features of the texts that were encoded since the last call; None if there are no new ones."""
        space = self._open.get("text")
        if space is None or not space.noted:
            return None
        keys, space.noted = space.noted, []
        return rows_of_space(space, keys)

    def close_model(self) -> None:
        """Close the spaces of the current model, and hold them until the run ends."""
        self._held += [lock for space in self._open.values() if (lock := space.close_and_hold())]
        self._open.clear()
        self._model = None

    def finish(self) -> None:
        """End the run: release all spaces, and evict until the cache is below its limit."""
        self.close_model()
        for lock in self._held:
            lock.release()
        self._held.clear()
        if self._use_cache:
            evict(self._limit)
