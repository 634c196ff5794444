"""Finds the clips below a class folder: video files and folders of frames. Every other file is counted.

The source ``frames`` uses it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from PIL import Image

from vlmbench.data.formats.clips.frame_series import (
    ClipImages,
    UnclearFramesError,
    beside_other_videos,
    choose_frames,
    is_other_folder,
    is_picture_folder,
    natural,
    pattern_of,
)
from vlmbench.data.formats.clips.video_suffixes import kind_of_suffix
from vlmbench.data.formats.folder_walk import (
    FolderWalk,
    PassedOver,
    entry_is_folder,
    identities_above,
    identity,
    is_junk_folder,
    scan,
    visible,
)
from vlmbench.data.image_files import readable
from vlmbench.errors import DataError
from vlmbench.files import open_regular
from vlmbench.wording import listed

BESIDE_FRAMES = "beside the frames of their clips, such as optical flow, depth or masks"
_BESIDE_VIDEOS = "beside videos"
_OTHER_VIDEOS = "named as another clip's optical flow, depth or masks"


@dataclass(frozen=True)
class Clip:
    """A clip that was found.

    Attributes:
        path: the POSIX path of a video file or of a folder of frames, below the root.
        beside: the paths of images in its folder that are not its frames.
    """

    path: str
    beside: tuple[str, ...] = ()


@dataclass
class ClipWalk:
    """Searches class folders for clips.

    Links are followed, except those that lead back to a folder above. Other files in a clip's folder of frames are
    counted later, when it is known which clips are used.

    Attributes:
        root: the folder of class folders.
        place: the source, for messages.
        pattern: the user's pattern of frames, see :func:`~.frame_series.choose_frames`; None if there is no pattern.
        passed: counts the files that are not read.
    """

    root: Path
    place: str
    pattern: str | None
    passed: PassedOver
    _walk: FolderWalk = field(init=False)

    def __post_init__(self) -> None:
        self._walk = FolderWalk(self.root, lambda name: _kind(name) is not None, self.passed)

    def clips(self, class_folder: str) -> list[Clip]:
        """The clips of a class folder in natural order.

        Raises:
            DataError: a folder cannot be read, or it is unclear to which clip its images belong or which are frames.
        """
        found = self._below(self.root / class_folder, class_folder, identities_above(self.root))
        return sorted(found, key=lambda clip: natural(clip.path))

    def _below(self, folder: Path, path: str, above: frozenset[tuple[int, int]]) -> Iterator[Clip]:
        here = identity(folder)
        if here in above:
            return
        files, folders = self._content(folder, path)
        in_class_folder = "/" not in path
        videos, images = files.told_apart(folder, in_class_folder=in_class_folder)
        others = beside_other_videos(videos)
        for name in videos:
            if name in others:
                self.passed.add(_OTHER_VIDEOS, f"{path}/{name}")
            else:
                yield Clip(f"{path}/{name}")  # broken links too: they become bad samples
        chosen = ClipImages((), ())
        if videos:
            for name in images:
                self.passed.add(_BESIDE_VIDEOS, f"{path}/{name}")
        elif images:
            chosen = self._frames(folder, path, images, in_class_folder=in_class_folder)
            if chosen.frames:
                yield Clip(path, tuple(f"{path}/{name}" for name in chosen.others))
            else:
                for name in chosen.others:
                    self.passed.add(BESIDE_FRAMES, f"{path}/{name}")
        elif not in_class_folder and not visible(folder):
            yield Clip(path)
        for name in self._of_pictures(folder, path, folders, has_frames=bool(chosen.frames)):
            yield from self._below(folder / name, f"{path}/{name}", above | {here})

    def _content(self, folder: Path, path: str) -> tuple[_Files, list[str]]:
        """The files in a folder that may be clips or frames, and the names of its folders."""
        files, folders = _Files(), []
        for entry in scan(folder):
            name = entry.name
            if not entry_is_folder(entry):
                if self._walk.wants(name, f"{path}/{name}"):
                    files.add(name)
            elif is_junk_folder(name):
                self._walk.junk(f"{path}/{name}")
            else:
                folders.append(name)
        return files, sorted(folders)

    def _frames(self, folder: Path, path: str, images: Sequence[str], *, in_class_folder: bool) -> ClipImages:
        if in_class_folder:
            raise DataError(
                f"{self.place}: the class folder {folder} holds images, and it is unclear to which clip they belong",
                hint="Put the frames of each clip into a folder of their own. If each image is a sample, use "
                "imagefolder instead.",
            )
        try:
            return choose_frames(images, path, self.pattern)
        except UnclearFramesError as error:
            several = [f"{readable(own[0])} and {len(own) - 1:,} more" for own in error.series]
            raise _unclear(
                f"{self.place}: {folder} holds several series of images: {'; '.join(several)}",
                readable(pattern_of(error.series[0])),
            ) from error

    def _of_pictures(self, folder: Path, path: str, folders: Sequence[str], *, has_frames: bool) -> list[str]:
        """The folders that may hold clips. Those of optical flow, depth or masks are left out and counted."""
        others = [name for name in folders if is_other_folder(name)]
        pictures = [name for name in folders if is_picture_folder(name)]
        if not others or self.pattern is not None:
            return list(folders)
        if not (has_frames or pictures):
            if "/" not in path:
                return list(folders)  # clips may have any names
            raise _unclear(f"{self.place}: {folder} holds the folders {listed(folders)}", f"{others[0]}/*")
        for name in others:
            for file in FolderWalk(self.root, lambda _: True, self.passed).files(f"{path}/{name}"):
                self.passed.add(BESIDE_FRAMES, file)
        return [name for name in folders if name not in others]


def frames_of(folder: Path, path: str, pattern: str | None) -> list[str]:
    """The names of a clip's frames in natural order (frame2 before frame10).

    Args:
        folder: the clip's folder.
        path: its POSIX path below the root.
        pattern: see :class:`ClipWalk`.

    Raises:
        DataError: the folder cannot be read, or it is unclear which of its images are the frames.
    """
    names = [entry.name for entry in visible(folder) if _kind(entry.name) in ("image", "either")]
    try:
        return sorted(choose_frames(names, path, pattern).frames, key=natural)
    except UnclearFramesError as error:
        raise DataError(f"folder {folder} holds {error}") from error


def _kind(name: str) -> Literal["video", "image", "either"] | None:
    return kind_of_suffix(os.path.splitext(name)[1])


@dataclass
class _Files:
    """The names of a folder's files by their kind."""

    videos: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    either: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        kind = _kind(name)
        (self.videos if kind == "video" else self.images if kind == "image" else self.either).append(name)

    def told_apart(self, folder: Path, *, in_class_folder: bool) -> tuple[list[str], list[str]]:
        """The videos and the images of the folder.

        A GIF may be either. Directly in a class folder, and beside videos, it is a clip, except if a video has the same
        name: then it is an image (a preview of that video). In other folders without videos, GIFs are clips if there
        are no other images and the first GIF is animated; else they are frames.
        """
        if in_class_folder or self.videos:
            stems = {os.path.splitext(name)[0] for name in self.videos}
            previews = [name for name in self.either if os.path.splitext(name)[0] in stems]
            return self.videos + [name for name in self.either if name not in previews], self.images + previews
        if self.either and not self.images and _moves(folder / min(self.either, key=natural)):
            return self.either, []
        return [], self.images + self.either


def _moves(path: Path) -> bool:
    try:
        with open_regular(path) as file, Image.open(file) as image:
            return bool(getattr(image, "is_animated", False))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return True  # a damaged file becomes a bad sample


def _unclear(what: str, pattern: str) -> DataError:
    return DataError(
        f"{what}, and it is unclear which are the frames",
        hint=f"Name the frames by a pattern in a card's source, such as options: {{frame_names: '{pattern}'}}.",
    )
