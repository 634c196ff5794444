"""The source ``rareact``: RareAct's segments of videos, each annotated for one action (antoine77340/RareAct).

Cards of the task kind ``rare_actions`` use it.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ClipDataset, Sample, Source, SourceContext, SourceInfo
from vlmbench.data.formats.clips.video import decoder_version, read_segment_frames
from vlmbench.data.formats.clips.video_suffixes import is_video_name
from vlmbench.data.formats.folder_walk import FolderWalk
from vlmbench.data.image_files import readable
from vlmbench.data.labels import TARGET_WORDS
from vlmbench.data.location import files_state, find_local
from vlmbench.data.sources.frames import frames_option, only_frame
from vlmbench.errors import BadSampleError, DataError, LabelError
from vlmbench.files import read_bytes
from vlmbench.remarks.base import say
from vlmbench.remarks.codes import MISSING_IMAGES
from vlmbench.wording import counted, either, listed

ANNOTATIONS = "rareact.csv"
COLUMNS = ("id", "video_id", "start", "end", "class_id", "verb", "noun", "annotation")
_HIGHEST_ANNOTATION = 4


@dataclass(frozen=True)
class Segment:
    """One row of the annotations.

    Attributes:
        id: the row's id.
        video: the video's id.
        start: the beginning in seconds.
        end: the end in seconds.
        action: the index of the action for which it was annotated. The segment may or may not show it.
        annotation: 1 if it shows the action; 0 if it does not; 2, 3 or 4 if it nearly does.
    """

    id: str
    video: str
    start: float
    end: float
    action: int
    annotation: int


@runtime_checkable
class AnnotatedActions(Protocol):
    """What a dataset of annotated actions has in addition to its samples."""

    segments: Sequence[Segment]
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]


@dataclass(eq=False)
class RareAct:
    """The annotated segments. Each video is opened when a segment of it is read."""

    info: SourceInfo
    segments: Sequence[Segment]
    samples: Sequence[Sample]
    verbs: tuple[str, ...]
    nouns: tuple[str, ...]
    classes: tuple[str, ...] | None
    frames_per_clip: int
    videos: Mapping[str, Path]
    decoder: str
    templates: tuple[str, ...] | None = None

    def read(self, index: int) -> bytes:
        return only_frame(self, index)

    def read_frames(self, index: int) -> Iterator[bytes]:
        segment, sample_id = self.segments[index], self.samples[index].id
        path = self.videos.get(segment.video)
        if path is None:
            raise BadSampleError(sample_id, f"the video {segment.video!r} is missing")
        return read_segment_frames(path, (segment.start, segment.end), self.frames_per_clip, sample_id)

    def state(self) -> str:
        used = sorted({segment.video for segment in self.segments})
        files = ((name, self.videos.get(name, Path(os.devnull, name))) for name in used)
        return files_state(files, salt=f"{self.frames_per_clip} frames, {self.decoder}, {self.segments!r}")


def open_source(spec: SourceSpec, context: SourceContext) -> ClipDataset:
    """Open ``<location>/rareact.csv`` and the videos anywhere below the location, named ``<video_id>.<extension>``.

    The file is that of the dataset's authors. The class names are its verbs and nouns, in the order of ``class_id``. A
    segment whose video is missing is a bad sample; a remark says so before the run starts. Videos may have any suffix
    of :mod:`~vlmbench.data.formats.clips.video_suffixes`; hidden and system folders are not searched. Videos that no
    segment names are ignored.

    Options:
        frames: the number of frames of each segment that are used; 1 by default (the middle one).

    Raises:
        MissingDataError: the location does not exist.
        DataError: the annotations are missing or cannot be read, or a video exists twice.
        LabelError: the annotations contradict themselves, or the task needs another kind of target.
        UsageError: an option has a wrong value.
        MissingDependencyError: PyAV is not installed.
    """
    place = f"{spec.kind} {spec.location!r}"
    frames = frames_option(spec)
    if context.target != "annotated class":  # classification would assume that every segment shows its action
        raise LabelError(
            f"{place}: a segment may or may not show its action, but the task needs {TARGET_WORDS[context.target]}",
            hint="Use the task card rareact-frames.",
        )
    found = find_local(spec, context)
    root = found.path
    segments, actions = read_annotations(root / ANNOTATIONS)
    videos = _videos(root)
    _tell_of_missing(segments, videos, root / ANNOTATIONS)
    return RareAct(
        SourceInfo(spec.kind, found.location),
        segments,
        [Sample(readable(f"{s.id} {s.video} {s.start:g}-{s.end:g}"), s.action) for s in segments],
        tuple(verb for verb, _ in actions),
        tuple(noun for _, noun in actions),
        tuple(f"{verb} {noun}" for verb, noun in actions),
        frames,
        videos,
        decoder_version(place),
    )


SOURCE = Source(open_source, ("frames",), other_locations=True)


def read_annotations(path: Path) -> tuple[list[Segment], list[tuple[str, str]]]:
    """Read the segments, and the (verb, noun) of each action.

    Raises:
        DataError: the file is missing or cannot be read, or a row has wrong values.
        LabelError: a class has two names, two classes have the same name, or a class is missing.
    """
    segments: list[Segment] = []
    actions: dict[int, tuple[str, str]] = {}
    try:
        reader = csv.DictReader(io.StringIO(read_bytes(path).decode("utf-8-sig"), newline=""))
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise DataError(f"{path}: it has no {either(len(missing), 'column', 'columns')} {listed(missing)}")
        for row in reader:
            segment = _segment(row, path, reader.line_num)
            words = (row["verb"], row["noun"])
            if actions.setdefault(segment.action, words) != words:
                raise LabelError(f"{path}, line {reader.line_num}: class {segment.action} has two names")
            segments.append(segment)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if not segments or sorted(actions) != list(range(len(actions))):
        raise LabelError(f"{path}: class_id must count from 0 without gaps")
    if len(set(actions.values())) != len(actions):
        raise LabelError(f"{path}: two classes have the same verb and noun")
    return segments, [actions[action] for action in range(len(actions))]


def _segment(row: Mapping[str, str | None], path: Path, line: int) -> Segment:
    try:
        segment = Segment(
            id=str(row["id"]),
            video=str(row["video_id"]),
            start=float(row["start"] or ""),
            end=float(row["end"] or ""),
            action=int(row["class_id"] or ""),
            annotation=int(row["annotation"] or ""),
        )
    except ValueError as error:
        raise DataError(f"{path}, line {line}: {error}") from error
    if not (0 <= segment.start < segment.end and 0 <= segment.annotation <= _HIGHEST_ANNOTATION):
        raise DataError(
            f"{path}, line {line}: a segment must end after it starts, and its annotation must be between 0 and "
            f"{_HIGHEST_ANNOTATION}"
        )
    return segment


def _videos(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in FolderWalk(root, is_video_name).files():
        path = root / name
        if found.setdefault(path.stem, path) != path:
            raise DataError(f"{path} and {found[path.stem]} have the same video id")
    return found


def _tell_of_missing(segments: Sequence[Segment], videos: Mapping[str, Path], place: Path) -> None:
    named = {segment.video for segment in segments}
    absent = sorted(named - videos.keys())
    if absent:
        number = len(absent)
        say(
            MISSING_IMAGES,
            f"{number:,} of the {len(named):,} videos that {place} names {either(number, 'is', 'are')} "
            f"missing; this stops the pair unless --skip-bad leaves {either(number, 'its', 'their')} segments out",
            brief=f"{counted(number, 'video')} missing",
            count=number,
            examples=map(readable, absent),
        )
