"""Tells video files by their names, and lists the containers that may be opened. The sources of clips use it.

FFmpeg also recognises playlists and scripts, by their content and under any name. Such a file could make it open other
files or network addresses. So only containers that hold their own frames are on the list.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Literal

from vlmbench.data.formats.image_suffixes import is_image_name

_SUFFIXES_OF: dict[str, tuple[str, ...]] = {
    "avi": (".avi", ".divx", ".amv"),
    "matroska,webm": (".mkv", ".mk3d", ".webm"),
    "mov,mp4,m4a,3gp,3g2,mj2": (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".f4v", ".mj2", ".ismv"),
    "mpeg": (".mpg", ".mpeg", ".mpe", ".m2p", ".vob", ".mod"),
    "mpegts": (".ts", ".mts", ".m2t", ".m2ts", ".tod", ".trp"),
    "mpegvideo": (".m1v", ".m2v", ".mpv"),
    "m4v": (),
    "asf": (".wmv", ".asf"),
    "flv": (".flv",),
    "ogg": (".ogv", ".ogm"),
    "gif": (".gif",),
    "dv": (".dv", ".dif"),
    "mxf": (".mxf",),
    "nut": (".nut",),
    "rm": (".rm", ".rmvb"),
    "wtv": (".wtv",),
    "gxf": (".gxf",),
    "nsv": (".nsv",),
    "ivf": (".ivf",),
    "obu": (".obu",),
    "yuv4mpegpipe": (".y4m",),
    "h264": (".h264", ".264"),
    "hevc": (".hevc", ".h265", ".265"),
    "mjpeg": (".mjpg", ".mjpeg"),
}
"""FFmpeg's names of containers, with the suffixes of their files. Suffixes of sound files (.ogg, .m4a) are left out."""

FORMATS = ",".join(_SUFFIXES_OF)
"""The value of FFmpeg's option ``format_whitelist``. FFmpeg recognises a container by its content, so that a file may
have the suffix of another container."""

VIDEO_SUFFIXES = frozenset(suffix for own in _SUFFIXES_OF.values() for suffix in own)
"""The suffixes of video files, in lower case."""

USUAL_SUFFIXES = ".mp4, .avi, .mkv, .webm, .mov, .mpg, .wmv, .flv"
"""The most common suffixes, for messages."""


def is_video_name(name: str) -> bool:
    """Whether a file's name ends with the suffix of a video, in any letter case."""
    return kind_of_suffix(os.path.splitext(name)[1]) in ("video", "either")


@cache
def kind_of_suffix(suffix: str) -> Literal["video", "image", "either"] | None:
    """The kind of files with this suffix: "either" for GIF, which may be a video or a single image; None for others."""
    video, image = suffix.lower() in VIDEO_SUFFIXES, is_image_name(f"a{suffix}")
    if video and image:
        return "either"
    return "video" if video else "image" if image else None
