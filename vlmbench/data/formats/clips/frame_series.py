"""Chooses the frames among the images of a clip's folder: others may be optical flow, depth or masks.

The source ``frames`` uses it. Programs that extract frames and optical flow number their files (``img_00001.jpg``,
``flow_x_00001.jpg``). Names that differ only in their numbers are a *series*. The words in its names tell what a series
is: TSN and MMAction write ``img_`` beside ``flow_x_`` and ``flow_y_``, or ``image_`` beside ``x_`` and ``y_``.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_PICTURES = frozenset(
    (
        *("img", "imgs", "image", "images", "frame", "frames", "rawframes", "pic", "pics", "picture", "pictures"),
        *("photo", "photos", "rgb", "rgbs", "bgr", "r", "color", "colour", "jpg", "jpgs", "jpegs", "png", "pngs"),
    )
)
_OTHERS = frozenset(
    (
        *("flow", "flows", "flowx", "flowy", "optical", "opticalflow", "tvl", "warp", "warped", "x", "y", "u", "v"),
        *("depth", "depths", "disparity", "disp", "d", "normal", "normals", "ir", "nir", "infrared", "thermal"),
        *("mask", "masks", "matte", "alpha", "trimap", "seg", "segm", "segmentation", "segmentations", "semantic"),
        *("instance", "instances", "label", "labels", "annotation", "annotations", "gt", "edge", "edges", "saliency"),
        *("skeleton", "skeletons", "pose", "poses", "keypoints", "heatmap", "heatmaps", "confidence"),
        *("thumb", "thumbs", "thumbnail", "thumbnails"),
    )
)
"""Words for images beside a clip's frames that do not show what the camera saw, or only in a small size."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_NUMBER = re.compile(r"[0-9]+")
_MOST_CHANNELS = 4
"""The last number of a name may tell at most this many series apart: ``frame_0001_0.jpg``, ``frame_0001_1.jpg``."""


class UnclearFramesError(Exception):
    """A folder holds several series of images, and it is unclear which of them is the frames.

    Attributes:
        series: the names of each series' images.
    """

    def __init__(self, series: Sequence[Sequence[str]]) -> None:
        super().__init__(f"{len(series)} series of images")
        self.series = series


@dataclass(frozen=True)
class ClipImages:
    """The names of the frames in a clip's folder, and of the other images."""

    frames: Sequence[str]
    others: Sequence[str] = ()


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sort key that sorts numbers in names by their value, and names that differ only in leading zeros as texts."""
    parts = re.split(r"([0-9]+)", name)
    return [(1, int(part), "") if number % 2 else (0, 0, part) for number, part in enumerate(parts)], name


def choose_frames(names: Sequence[str], folder: str = "", pattern: str | None = None) -> ClipImages:
    """Choose the frames among the images of one folder. The order of the names is kept.

    Args:
        names: the names of the images.
        folder: the folder's POSIX path.
        pattern: the user's pattern, such as ``img_*`` or ``rgb/img_*``: only images that match it are frames.

    Raises:
        UnclearFramesError: there are several series, and it is unclear which of them is the frames.
    """
    if pattern is not None:
        frames: Sequence[str] = [name for name in names if matches(pattern, f"{folder}/{name}")]
    else:
        frames = _frames_among(names)
    if len(frames) == len(names):
        return ClipImages(names)
    chosen = set(frames)
    return ClipImages([n for n in names if n in chosen], [n for n in names if n not in chosen])


def matches(pattern: str, path: str) -> bool:
    """Whether the last parts of a path match a pattern, in any letter case."""
    wanted, given = (PurePosixPath(text.casefold()).parts for text in (pattern, path))
    tail = given[-len(wanted) :]
    return len(tail) == len(wanted) and all(map(fnmatch.fnmatchcase, tail, wanted))


def pattern_of(series: Sequence[str]) -> str:
    """A pattern that matches every name of a series, and no name of another series."""
    stems = [os.path.splitext(name)[0] for name in series]
    suffixes = {os.path.splitext(name)[1].lower() for name in series}
    places = zip(*(_NUMBER.findall(stem) for stem in stems), strict=True)
    numbers = [own[0] if len(set(own)) == 1 else "*" for own in places]
    texts = [glob.escape(text) for text in _NUMBER.split(stems[0])]
    stem = "".join(text + number for text, number in zip(texts, [*numbers, ""], strict=True))
    return stem + (suffixes.pop() if len(suffixes) == 1 else ".*")


def is_picture_folder(name: str) -> bool:
    """Whether a folder has the name of a folder of frames: ``rgb``, ``img``, ``frames``."""
    words = _words(name)
    return bool(words) and words <= _PICTURES and _is_word(name, words)


def is_other_folder(name: str) -> bool:
    """Whether a folder has the name of a folder of other images: ``flow_x``, ``u``, ``depth``."""
    words = _words(name)
    return words <= _PICTURES | _OTHERS and bool(words & _OTHERS) and _is_word(name, words)


def _is_word(name: str, words: frozenset[str]) -> bool:
    """Whether a folder's name has a meaning. Names such as ``v1`` and ``x_02`` only number clips."""
    return any(len(word) > 1 for word in words) or len(name) == 1


def beside_other_videos(names: Sequence[str]) -> frozenset[str]:
    """The videos that show optical flow, depth or the like of another video in the folder, by their names.

    Examples are ``v1_flow.avi`` beside ``v1.avi``, and ``v1_depth.avi`` beside ``v1_rgb.avi``.
    """
    pictures = {_bare(name, _PICTURES) for name in names if not _says_other(name)}
    return frozenset(
        name
        for name in names
        if _says_other(name)
        and _bare(name, _PICTURES) != (bare := _bare(name, _PICTURES | _OTHERS))
        and bare in pictures
    )


def _says_other(name: str) -> bool:
    """Whether a name has a word for optical flow, depth or the like. Single letters (``v_Archery``) do not count."""
    return any(len(word) > 1 for word in _words(name) & _OTHERS)


def _bare(name: str, but: frozenset[str]) -> tuple[str, ...]:
    """The parts of a name, without these words at its beginning and end."""
    parts = [part for part in re.split(r"[\W_]+", os.path.splitext(name)[0].casefold()) if part]
    while parts and parts[-1] in but:
        parts.pop()
    while parts and len(parts[0]) > 1 and parts[0] in but:  # v_Archery_g01_c01 is a name
        parts.pop(0)
    return tuple(parts)


def _words(name: str) -> frozenset[str]:
    return frozenset(word.casefold() for word in _WORD.findall(os.path.splitext(name)[0]))


def _is_other(name: str) -> bool:
    """Whether an image's name has a word for optical flow, depth or the like.

    Single letters count only if the name has no other words: in ``x_00001.jpg``, but not in ``v_Archery_g01_c01.jpg``.
    """
    words = _words(name)
    return bool(words & _OTHERS) and (words <= _PICTURES | _OTHERS or any(len(word) > 1 for word in words & _OTHERS))


def _frames_among(every: Sequence[str]) -> Sequence[str]:
    groups = _series(every)
    if len(groups) == 1:
        return every
    groups = [group for group in groups if not _is_other(group[0])] or groups
    numbered = [group for group in groups if len(group) > 1 and _NUMBER.search(group[0])]
    if len(groups) == 1:
        return groups[0]
    if not numbered or 2 * sum(map(len, numbered)) < sum(map(len, groups)):
        return [name for group in groups for name in group]  # the names have no series, such as hashes
    if len(numbered) > 1:
        pictures = [group for group in numbered if _words(group[0]) & _PICTURES]
        numbered = pictures if len(pictures) == 1 else numbered
    if len(numbered) > 1:
        raise UnclearFramesError([sorted(group, key=natural) for group in numbered])
    return numbered[0]


def _series(names: Sequence[str]) -> list[list[str]]:
    """The names grouped into series: names that differ only in their numbers."""
    by_text: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_text[_NUMBER.sub("0", name)].append(name)
    by_stem: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for text, own in by_text.items():
        stem, suffix = os.path.splitext(text.casefold())
        by_stem[stem][suffix.replace("jpeg", "jpg")] += own
    return [series for by_suffix in by_stem.values() for own in _joined(by_suffix) for series in _channels(own)]


def _joined(by_suffix: Mapping[str, list[str]]) -> list[list[str]]:
    """Join the names of several suffixes into one series if no number occurs twice: frames may have several formats."""
    if len(by_suffix) == 1:
        return list(by_suffix.values())
    stems = [os.path.splitext(name)[0].casefold() for own in by_suffix.values() for name in own]
    if len(set(stems)) == len(stems):
        return [[name for own in by_suffix.values() for name in own]]
    return list(by_suffix.values())


def _channels(names: list[str]) -> list[list[str]]:
    """Split a series by the last number in its names, as ``frame_0001_0.jpg`` and ``frame_0001_1.jpg``.

    It is split only if each last number (0, 1) occurs with the same earlier numbers (0001, …), there are several
    earlier numbers, and there are at most :data:`_MOST_CHANNELS` last numbers.
    """
    if len(names) < 2 * 2 or len(_NUMBER.findall(os.path.splitext(names[0])[0])) < 2:
        return [names]
    numbers = [tuple(map(int, _NUMBER.findall(os.path.splitext(name)[0]))) for name in names]
    by_last: dict[int, list[str]] = defaultdict(list)
    heads: dict[int, set[tuple[int, ...]]] = defaultdict(set)
    for name, own in zip(names, numbers, strict=True):
        by_last[own[-1]].append(name)
        heads[own[-1]].add(own[:-1])
    same = len({frozenset(own) for own in heads.values()}) == 1
    if same and 2 <= len(by_last) <= _MOST_CHANNELS and len(next(iter(heads.values()))) > 1:
        return list(by_last.values())
    return [names]
