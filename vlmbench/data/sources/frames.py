"""The source ``frames``: clips in one folder per class, as videos or as folders of frames.

``-t frames:PATH`` and cards with ``kind: frames`` use it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ClipDataset, Sample, Source, SourceContext, SourceInfo, segment_centres
from vlmbench.data.formats.class_folders import (
    FOLDER_OPTIONS,
    ClassFolders,
    Contents,
    find_class_folders,
    refuse_other_levels,
    tell_of_empty,
    without_samples,
)
from vlmbench.data.formats.clips.clip_lists import choose_listed, find_list
from vlmbench.data.formats.clips.clip_walk import BESIDE_FRAMES, Clip, ClipWalk, frames_of
from vlmbench.data.formats.clips.frame_series import is_other_folder, is_picture_folder
from vlmbench.data.formats.clips.video import decoder_version, read_video_frames
from vlmbench.data.formats.clips.video_suffixes import USUAL_SUFFIXES, is_video_name
from vlmbench.data.formats.folder_walk import PassedOver
from vlmbench.data.image_files import read_file, readable
from vlmbench.data.location import argument, files_state
from vlmbench.errors import BadSampleError, DataError, LabelError, UsageError
from vlmbench.wording import listed

OPTIONS = (*FOLDER_OPTIONS, "frames", "frame_names", "list", "partial")
_CLIPS = Contents("clip", "a", "<any name>.mp4", is_video_name)


@dataclass(eq=False)
class ClipFolder:
    """The clips of class folders. It keeps only their names; each clip is opened when it is read.

    Attributes:
        paths: the paths of the clips, relative to the root.
        decoder: the versions of the decoder, see :func:`~vlmbench.data.formats.clips.video.decoder_version`.
        frame_names: the user's pattern of the frames' names; None if there is no pattern, see
            :func:`~vlmbench.data.formats.clips.frame_series.choose_frames`.
    """

    root: Path
    info: SourceInfo
    paths: Sequence[str]
    samples: Sequence[Sample]
    classes: tuple[str, ...] | None
    frames_per_clip: int
    decoder: str
    frame_names: str | None = None
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        return only_frame(self, index)

    def read_frames(self, index: int) -> Iterator[bytes]:
        path, sample_id = self.root / self.paths[index], self.samples[index].id
        if os.path.isdir(path):
            return self._read_folder(index)
        return read_video_frames(path, self.frames_per_clip, sample_id)

    def state(self) -> str:
        """See :meth:`vlmbench.data.base.ImageDataset.state`. It includes the decoder, because pixels depend on it."""
        return files_state(self._files(), salt=f"{self.frames_per_clip} frames, {self.decoder}")

    def _read_folder(self, index: int) -> Iterator[bytes]:
        path, sample_id = self.paths[index], self.samples[index].id
        try:
            names = frames_of(self.root / path, path, self.frame_names)
        except DataError as error:
            raise BadSampleError(sample_id, error.message) from error
        if not names:
            raise BadSampleError(sample_id, "the folder holds no frames")
        for place in segment_centres(len(names), self.frames_per_clip):
            yield read_file(self.root / path / names[place], sample_id)

    def _files(self) -> Iterator[tuple[str, Path]]:
        for sample, path in zip(self.samples, self.paths, strict=True):
            clip = self.root / path
            yield f"{path}\0{sample.target}", clip
            if os.path.isdir(clip):
                for name in frames_of(clip, path, self.frame_names):
                    yield f"{path}/{name}", clip / name


def open_source(spec: SourceSpec, context: SourceContext) -> ClipDataset:
    """Open ``<location>[/<split>]/<class folder>/**/<clip>``.

    A clip is a video file, which is recognised by its suffix in any letter case, or a folder with images and without
    videos. The frames in a folder are the images of one series in natural order (frame2 before frame10). Optical flow,
    depth and masks beside them are recognised by their names and not read; images beside videos are not read either. An
    empty folder is a clip whose frames were lost, so it is a bad sample. All files that are not read are counted in a
    remark; if there is a list, only those in the folders of listed clips.
    :func:`~vlmbench.data.formats.class_folders.find_class_folders` explains where labels come from. A sample's id is
    its POSIX path relative to the folder that holds the class folders.

    Options:
        frames: the number of frames of each clip that are used; 1 by default (the middle one).
        frame_names: a pattern of the frames' names, such as ``img_*`` or ``rgb/*``, if they are not recognised.
        list: a file that names the clips to use. :mod:`vlmbench.data.formats.clips.clip_lists` explains its form, and
            where it is looked for.
        partial: true to leave out listed clips that are missing (videos vanish from the web).

    Raises:
        MissingDataError: there is no such folder.
        LabelError: folders and class names do not match, or the task needs other targets than one class.
        DataError: there are no clips, a folder or list cannot be read, or listed clips are missing.
        UsageError: an option has a wrong value.
        MissingDependencyError: there are videos, and PyAV is not installed.
    """
    place = f"{spec.kind} {spec.location!r}"
    options = _options(spec, place)
    found = find_class_folders(spec, context, _CLIPS)
    _refuse_kinds_of_pictures(found, spec, context, place)
    walk = ClipWalk(found.root, place, options.frame_names, found.passed)
    of_classes = [walk.clips(folder) for folder in found.folders]
    clips = [(clip, label) for label, own in enumerate(of_classes) for clip in own]
    if not clips:
        pattern = "" if options.frame_names is None else f" whose names match {options.frame_names!r}"
        hint = f"Clips are files that end in {USUAL_SUFFIXES}, …, or folders of images{pattern}."
        raise without_samples(found, _CLIPS, place, hint)
    refuse_other_levels([clip.path for clip, _ in clips], found, spec, context)
    passed = found.passed
    if options.listed is not None:
        listed, passed = find_list(options.listed, found.root, spec, context), PassedOver()
        numbers = choose_listed([(clip.path, label) for clip, label in clips], listed, partial=options.partial)
        clips = [clips[number] for number in numbers]
    _count_beside((clip for clip, _ in clips), passed)
    decoder = decoder_version(place) if any(is_video_name(clip.path) for clip, _ in clips) else "no decoder"
    passed.say(place)
    if options.listed is None:
        tell_of_empty(found, list(map(len, of_classes)), place, _CLIPS)
    return ClipFolder(
        found.root,
        SourceInfo(spec.kind, found.location, split=spec.split),
        [clip.path for clip, _ in clips],
        [Sample(readable(clip.path), label) for clip, label in clips],
        found.classes,
        options.frames,
        decoder,
        options.frame_names,
    )


SOURCE = Source(open_source, OPTIONS, folders=True, other_locations=True, split=True)


def only_frame(dataset: ClipDataset, index: int) -> bytes:
    """The only frame of a clip, for datasets with one frame per clip.

    Raises:
        DataError: a clip has several frames.
    """
    if dataset.frames_per_clip != 1:
        raise DataError(f"{dataset.info.location}: each clip has {dataset.frames_per_clip} frames, not one image")
    (frame,) = dataset.read_frames(index)
    return frame


def frames_option(spec: SourceSpec) -> int:
    """The number of frames per clip that a card's source asks for; 1 by default.

    Raises:
        UsageError: it is not a whole number above 0.
    """
    frames = spec.options.get("frames", 1)
    if not isinstance(frames, int) or isinstance(frames, bool) or frames < 1:
        raise UsageError(f"{spec.kind} {spec.location!r}: `frames` must be a whole number above 0, not {frames!r}")
    return frames


@dataclass(frozen=True)
class _Options:
    frames: int
    frame_names: str | None
    listed: str | None
    partial: bool


def _options(spec: SourceSpec, place: str) -> _Options:
    listed = spec.options.get("list")
    if listed is not None and not isinstance(listed, str):
        raise UsageError(f"{place}: `list` must be the path of a file, not {listed!r}")
    names = spec.options.get("frame_names")
    if names is not None and not (isinstance(names, str) and names.strip("/ ")):
        raise UsageError(f"{place}: `frame_names` must be a pattern such as 'img_*', not {names!r}")
    partial = spec.options.get("partial", False)
    if not isinstance(partial, bool):
        raise UsageError(f"{place}: `partial` must be true or false, not {partial!r}")
    return _Options(frames_option(spec), names, listed, partial)


def _refuse_kinds_of_pictures(found: ClassFolders, spec: SourceSpec, context: SourceContext, place: str) -> None:
    """Refuse a folder that holds ``rgb``, ``flow_x`` and ``flow_y``, each with class folders of its own."""
    pictures = [name for name in found.folders if is_picture_folder(name)]
    others = [name for name in found.folders if is_other_folder(name)]
    known = spec.folders is not None or context.class_names is not None
    if known or not others or not pictures or len(pictures) + len(others) < len(found.folders):
        return
    raise LabelError(
        f"{place}: the folders in {found.root} are kinds of pictures, not classes: {listed(found.folders)}",
        hint=f"Name one of them: {argument(spec.kind, found.root / pictures[0])}.",
    )


def _count_beside(clips: Iterable[Clip], passed: PassedOver) -> None:
    for clip in clips:
        for path in clip.beside:
            passed.add(BESIDE_FRAMES, path)
