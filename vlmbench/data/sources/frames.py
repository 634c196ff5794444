"""Folders of clips: one sub-folder a class, in it videos or folders of frames."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ClipDataset, Sample, Source, SourceContext, SourceInfo, segment_centres
from vlmbench.data.formats.class_folders import FOLDER_OPTIONS, Contents, find_class_folders
from vlmbench.data.formats.clip_lists import choose_listed, find_list
from vlmbench.data.formats.folder_walk import identities_above, identity, visible
from vlmbench.data.formats.image_suffixes import is_image_name
from vlmbench.data.formats.video import VIDEO_EXTENSIONS, decoder_version, read_video_frames
from vlmbench.data.image_files import read_file, readable
from vlmbench.data.location import files_state
from vlmbench.errors import BadSampleError, DataError, UsageError

OPTIONS = (*FOLDER_OPTIONS, "frames", "list", "partial")


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_EXTENSIONS


_CLIPS = Contents("clip", "<any name>.mp4", _is_video)


@dataclass(eq=False)
class ClipFolder:
    """The clips of class folders. Holds their names only; each is opened when it is read.

    Attributes:
        paths: of the clips, relative to the root.
        decoder: what decodes them.
    """

    root: Path
    info: SourceInfo
    paths: Sequence[str]
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    frames_per_clip: int
    decoder: str
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        return only_frame(self, index)

    def read_frames(self, index: int) -> Iterator[bytes]:
        path, sample_id = self.root / self.paths[index], self.samples[index].id
        if os.path.isdir(path):
            return _read_folder(path, self.frames_per_clip, sample_id)
        return read_video_frames(path, self.frames_per_clip, sample_id)

    def state(self) -> str:
        """See :meth:`vlmbench.data.base.ImageDataset.state`. Pixels depend on the decoder too."""
        return files_state(self._files(), salt=f"{self.frames_per_clip} frames, {self.decoder}")

    def _files(self) -> Iterator[tuple[str, Path]]:
        for sample, path in zip(self.samples, self.paths, strict=True):
            clip = self.root / path
            yield f"{path}\0{sample.target}", clip
            if os.path.isdir(clip):
                for name in _frame_names(clip):
                    yield f"{path}/{name}", clip / name


def open_source(spec: SourceSpec, context: SourceContext) -> ClipDataset:
    """Open ``<location>[/<split>]/<class folder>/**/<clip>``.

    A clip is a video file (see :data:`~vlmbench.data.formats.video.VIDEO_EXTENSIONS`, in any case), or a folder that
    holds images and no video: its frames, in natural order (frame2 before frame10). Images beside videos play no part.
    A folder in which nothing lies is a clip without frames, that is a bad sample: its frames were lost.
    :func:`~vlmbench.data.formats.class_folders.find_class_folders` says where labels come from. Sample ids are POSIX
    paths relative to the class folders' parent.

    Options:
        frames: how many frames of each clip are looked at, 1 by default: the middle one.
        list: a file that names the clips to use; where it is looked for and how it is written, says
            :mod:`vlmbench.data.formats.clip_lists`.
        partial: true, to go on where listed clips are missing (videos vanish from the web).

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not fit together, or the task needs more than a class.
        DataError: there are no clips, a folder or list cannot be read, or listed clips are missing.
        UsageError: an option that is not understood.
        MissingDependencyError: there are videos, and PyAV is not installed.
    """
    place = f"{spec.kind} {spec.location!r}"
    frames, listed, partial = _options(spec, place)
    found = find_class_folders(spec, context, _CLIPS)
    above = identities_above(found.root)
    clips = [
        (path, label)
        for label, folder in enumerate(found.folders)
        for path in sorted(_clips(found.root / folder, folder, above, place), key=_natural)
    ]
    if not clips:
        raise DataError(
            f"{place}: no clip in any of the {len(found.folders)} class folders of {found.root}",
            hint=f"Clips are files that end in {', '.join(sorted(VIDEO_EXTENSIONS))}, or folders of images.",
        )
    if listed is not None:
        clips = choose_listed(clips, find_list(listed, found.root, spec, context), partial=partial)
    info = SourceInfo(spec.kind, found.location, split=spec.split)
    decoder = decoder_version(place) if any(_is_video(path) for path, _ in clips) else "no decoder"
    samples = [Sample(readable(path), label) for path, label in clips]
    return ClipFolder(found.root, info, [path for path, _ in clips], samples, found.classes, frames, decoder)


SOURCE = Source(open_source, OPTIONS, folders=True, other_locations=True, split=True)


def only_frame(dataset: ClipDataset, index: int) -> bytes:
    """The frame that stands for a clip where one does.

    Raises:
        DataError: a clip is several frames.
    """
    if dataset.frames_per_clip != 1:
        raise DataError(f"{dataset.info.location}: a clip is {dataset.frames_per_clip} frames here, not one image")
    (frame,) = dataset.read_frames(index)
    return frame


def frames_option(spec: SourceSpec) -> int:
    """How many frames of each clip a card's source asks for; 1 where it does not say.

    Raises:
        UsageError: it is no whole number above 0.
    """
    frames = spec.options.get("frames", 1)
    if not isinstance(frames, int) or isinstance(frames, bool) or frames < 1:
        raise UsageError(f"{spec.kind} {spec.location!r}: `frames` must be a whole number above 0, not {frames!r}")
    return frames


def _options(spec: SourceSpec, place: str) -> tuple[int, str | None, bool]:
    listed = spec.options.get("list")
    if listed is not None and not isinstance(listed, str):
        raise UsageError(f"{place}: `list` must be the path of a file, not {listed!r}")
    partial = spec.options.get("partial", False)
    if not isinstance(partial, bool):
        raise UsageError(f"{place}: `partial` must be true or false, not {partial!r}")
    return frames_option(spec), listed, partial


def _clips(folder: Path, path: str, above: frozenset[tuple[int, int]], place: str) -> Iterator[str]:
    """The paths below the root of every clip in a class folder; links back to a folder above are not followed."""
    here = identity(folder)
    if here in above:
        return
    found = visible(folder)
    videos = [entry.name for entry in found if _is_video(entry.name) and not os.path.isdir(entry.path)]
    yield from (f"{path}/{name}" for name in videos)  # broken links too: they become bad samples
    folders = [entry.name for entry in found if os.path.isdir(entry.path)]
    has_frames = not videos and any(is_image_name(entry.name) for entry in found)
    in_class_folder = "/" not in path
    if has_frames and in_class_folder:
        raise DataError(
            f"{place}: {folder} holds images: which clip do they belong to?",
            hint="Put each clip's frames in a folder of its own; one image a clip is an image folder (imagefolder).",
        )
    if has_frames or not (found or in_class_folder):
        yield path
    for name in folders:
        yield from _clips(folder / name, f"{path}/{name}", above | {here}, place)


def _read_folder(folder: Path, frames: int, sample_id: str) -> Iterator[bytes]:
    try:
        names = _frame_names(folder)
    except DataError as error:
        raise BadSampleError(sample_id, error.message) from error
    if not names:
        raise BadSampleError(sample_id, "the folder holds no frames")
    for place in segment_centres(len(names), frames):
        yield read_file(folder / names[place], sample_id)


def _frame_names(folder: Path) -> list[str]:
    return sorted((entry.name for entry in visible(folder) if is_image_name(entry.name)), key=_natural)


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts numbers in names by their value; names that differ only in leading zeros by their spelling."""
    parts = re.split(r"([0-9]+)", name)
    return [(1, int(part), "") if number % 2 else (0, 0, part) for number, part in enumerate(parts)], name
