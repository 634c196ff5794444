"""Which images of a folder are the frames, by their names alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data.formats.clips.frame_series import (
    UnclearFramesError,
    beside_other_videos,
    choose_frames,
    is_other_folder,
    is_picture_folder,
    matches,
    pattern_of,
)


def numbered(pattern: str, count: int = 12, first: int = 1) -> list[str]:
    return [pattern.format(number) for number in range(first, first + count)]


LAYOUTS = {
    "TSN": ("img_{:05d}.jpg", "flow_x_{:05d}.jpg", "flow_y_{:05d}.jpg"),
    "TSN, older": ("image_{:05d}.jpg", "x_{:05d}.jpg", "y_{:05d}.jpg"),
    "dense flow": ("img_{:05d}.jpg", "u_{:05d}.jpg", "v_{:05d}.jpg"),
    "warped flow": ("frame{}.png", "warp_flow_x_{:05d}.jpg", "warp_flow_y_{:05d}.jpg"),
    "camel case": ("Frame{:04d}.png", "flowX{:04d}.png", "flowY{:04d}.png"),
    "bare numbers": ("{:05d}.jpg", "flow_x_{:05d}.jpg", "flow_y_{:05d}.jpg"),
    "depth": ("rgb_{}.png", "depth_{}.png"),
    "words behind": ("{:06d}_color.jpg", "{:06d}_depth.png", "{:06d}_mask.png"),
    "bare and masks": ("{:05d}.jpg", "{:05d}_mask.png"),
    "one known": ("img_{}.jpg", "crop_{}.jpg"),
    "NYU": ("r-{}.ppm", "d-{}.pgm"),
    "a clip's name": ("v_Archery_g01_c02_{:04d}.jpg", "v_Archery_g01_c02_flow_{:04d}.jpg"),
}


COUNTS = [(layout, count) for layout in LAYOUTS for count in (1, 2, 12) if (layout, count) != ("one known", 1)]
"""One image each is no series, so that a name like another tells nothing."""


@pytest.mark.parametrize(("layout", "count"), COUNTS)
def test_frames_are_told_from_what_is_beside_them(layout: str, count: int) -> None:
    frames, *others = (sorted(numbered(pattern, count)) for pattern in LAYOUTS[layout])
    beside = [name for own in others for name in own]
    found = choose_frames([*beside, *reversed(frames)])
    assert sorted(found.frames) == frames and sorted(found.others) == sorted(beside)


@pytest.mark.parametrize(
    "names",
    [
        numbered("{}.jpg"),
        numbered("frame{}.JPG"),
        numbered("x_{:05d}.jpg"),
        numbered("mask_{}.png"),
        numbered("v_x_g01_c01_{}.jpg"),
        [*numbered("{}.jpg", 3), *numbered("{}.png", 3, first=4), *numbered("{}.JPEG", 3, first=7)],
        ["start.jpg", "middle.jpg", "end.jpg"],
        ["3fa2b.jpg", "9c.jpg", "00d1e.jpg", "b2.jpg", "77a.jpg"],
        [f"{minute:02d}_{second:02d}.jpg" for minute in range(2) for second in range(60)],
        ["IMG_1.jpg", "img_2.jpg"],
        [],
    ],
)
def test_one_series_is_all_frames(names: list[str]) -> None:
    found = choose_frames(names)
    assert sorted(found.frames) == sorted(names) and not found.others


def test_a_picture_without_a_number_is_no_frame_of_a_series() -> None:
    found = choose_frames([*numbered("frame_{}.jpg"), "cover.jpg", "thumbnail_1.jpg"])
    assert list(found.frames) == numbered("frame_{}.jpg") and [*found.others] == ["cover.jpg", "thumbnail_1.jpg"]


@pytest.mark.parametrize(
    "series",
    [
        [numbered("left_{}.jpg"), numbered("right_{}.jpg")],
        [numbered("rgb_{}.jpg"), numbered("frame_{}.jpg")],
        [numbered("{}.jpg"), numbered("{}.png")],
        [numbered("frame_{}_1.jpg"), numbered("frame_{}_2.jpg")],
        [numbered("flow_x_{}.jpg"), numbered("flow_y_{}.jpg")],
    ],
)
def test_what_names_do_not_tell_is_asked_and_the_pattern_answers(series: list[list[str]]) -> None:
    names = [name for own in series for name in own]
    with pytest.raises(UnclearFramesError) as raised:
        choose_frames(names)
    assert sorted(map(sorted, raised.value.series)) == sorted(map(sorted, series))
    for own in raised.value.series:
        found = choose_frames(names, "run/a", pattern_of(own))
        assert sorted(found.frames) == sorted(own) and len(found.others) == len(names) - len(own)


@given(st.lists(st.text("ab_-[]*?019", min_size=1, max_size=8), min_size=1, max_size=8, unique=True))
def test_no_image_is_lost(stems: list[str]) -> None:
    names = [f"{stem}.jpg" for stem in stems]
    try:
        found = choose_frames(names)
    except UnclearFramesError as error:
        for own in error.series:
            assert {*own} <= {*choose_frames(names, "", pattern_of(own)).frames}
    else:
        assert sorted([*found.frames, *found.others]) == sorted(names) and found.frames


@pytest.mark.parametrize(
    ("pattern", "path", "right"),
    [
        ("img_*", "run/a/img_1.jpg", True),
        ("IMG_*.JPG", "run/a/img_1.jpg", True),
        ("rgb/*", "run/a/rgb/1.jpg", True),
        ("rgb/*", "run/a/flow/1.jpg", False),
        ("*", "run/a/rgb/1.jpg", True),
        ("a/b/c/d/e/*", "rgb/1.jpg", False),
    ],
)
def test_patterns_are_of_the_last_parts(pattern: str, path: str, *, right: bool) -> None:
    assert matches(pattern, path) is right


def test_folders_by_their_names() -> None:
    assert all(map(is_picture_folder, ["rgb", "RGB_frames", "img", "Images", "color"]))
    assert all(
        map(is_other_folder, ["flow", "flow_x", "u", "v", "tvl1_flow", "OpticalFlow", "depth", "masks", "rgb_flow"])
    )
    assert not any(map(is_other_folder, ["rgb", "v_Archery_g01", "0001", "wearing_mask", "Archery", "v1", "x_02"]))
    assert not any(map(is_picture_folder, ["0001", "flow", "my_rgb", "r2", ""]))


def test_videos_of_other_kinds_are_known_by_the_video_beside_them() -> None:
    names = [
        "a.mp4",
        "a_flow_x.mp4",
        "a_flow_y.avi",
        "b_rgb.avi",
        "b_depth.avi",
        "c_mask.mp4",
        "mask_off.mp4",
        "a_x.mp4",
    ]
    assert beside_other_videos(names) == {"a_flow_x.mp4", "a_flow_y.avi", "b_depth.avi"}
    of_ucf101 = ["v_Archery_g01_c01.avi", "v_Archery_g01_c01_flow.avi", "x1.avi", "x1_flow_x.avi", "v_Archery_g02.avi"]
    assert beside_other_videos(of_ucf101) == {"v_Archery_g01_c01_flow.avi", "x1_flow_x.avi"}
