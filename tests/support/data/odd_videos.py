"""Videos as phones, recorders and shops make them: turned, with a cover, of several streams."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
from data.videos import Pixels, flat


def film(path: Path, pixels: Pixels, count: int = 5, *, aspect: Fraction | None = None) -> Path:
    """A video of one picture in the container of its name; aspect: of a pixel."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = pixels.shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        container.mux(stream.encode())
    return path


def asks(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix into the header of an MP4's only track (ISO/IEC 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    header = data.find(b"tkhd")
    place = header + 8 + (32 if data[header + 4] else 20) + 16
    data[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def covered(path: Path, *, first: bool) -> Path:
    """A video with a cover picture, as a stream before or behind it; its middle frame is flat(15)."""
    import av
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        streams = {}
        for cover in (True, False) if first else (False, True):
            stream = container.add_stream("mjpeg" if cover else "mpeg4", rate=10)
            stream.width, stream.height = 48, 32
            stream.pix_fmt = "yuvj420p" if cover else "yuv420p"
            if cover:
                stream.disposition = Disposition.attached_pic
            streams[cover] = stream
        container.mux(streams[True].encode(av.VideoFrame.from_ndarray(flat(0), format="rgb24")))
        container.mux(streams[True].encode())
        for number in range(10, 20):
            container.mux(streams[False].encode(av.VideoFrame.from_ndarray(flat(number), format="rgb24")))
        container.mux(streams[False].encode())
    return path


def two_streams(path: Path) -> Path:
    """Two videos in one file, of which the first is all flat(0)."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number, stream in enumerate(streams):
            for _ in range(4):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(flat(20 * number), format="rgb24")))
            container.mux(stream.encode())
    return path
