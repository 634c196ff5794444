"""Images whose label is in their name: ``<split>/<label>-<anything>.png``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.image_files import read_file
from vlmbench.data.location import files_state, find_local


@dataclass(frozen=True)
class LabelledNames:
    """See :class:`~vlmbench.data.base.ImageDataset`."""

    info: SourceInfo
    samples: Sequence[Sample]
    folder: Path
    classes: tuple[str, ...] | None = ("dark", "bright")
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        return read_file(self.folder / self.samples[index].id, self.samples[index].id)

    def state(self) -> str:
        return files_state((sample.id, self.folder / sample.id) for sample in self.samples)


def open_source(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    split = spec.split or "test"
    folder = find_local(spec, context).path / split
    every = int(spec.options.get("every", 1))
    names = sorted(path.name for path in folder.glob("*.png"))[::every]
    samples = [Sample(name, int(name.partition("-")[0])) for name in names]
    return LabelledNames(SourceInfo(spec.kind, spec.location, split=split), samples, folder)


SOURCE = Source(open_source, options=("every",), split=True, other_locations=True)
