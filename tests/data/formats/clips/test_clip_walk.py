"""The walk through class folders of clips."""

from __future__ import annotations

import os
from pathlib import Path

from vlmbench.data.formats.clips.clip_walk import ClipWalk
from vlmbench.data.formats.folder_walk import PassedOver


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "run" / "clip").mkdir(parents=True)
    os.mkfifo(tmp_path / "run" / "clip" / "a.gif")
    clips = ClipWalk(tmp_path, "here", None, PassedOver()).clips("run")
    assert [clip.path for clip in clips] == ["run/clip/a.gif"]  # a bad sample of its own
