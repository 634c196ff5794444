"""``vlmbench cache``: what it holds, what it saved, and what is cleared."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from vlmbench.cli.main import app
from vlmbench.features.cache.files import features_folder
from vlmbench.features.cache.space import FeatureSpace, content_key
from vlmbench.files import size_text
from vlmbench.wording import duration_text


def cache(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["cache", *arguments], env={"COLUMNS": "160"}, catch_exceptions=False)


def keep(model: str, encoder: str, *, encoded: int, seconds: float, hits: int) -> Path:
    description = {"model": model, "encoder": encoder, "precision": "fp32", "device": "cpu"}
    space = FeatureSpace(features_folder(), description, 4)
    keys = [content_key(f"{number}".encode()) for number in range(encoded)]
    space.put(keys, np.zeros((encoded, 4), dtype=np.float32))
    space.count(encoded=encoded, seconds=seconds, hits=0)
    space.count(encoded=0, seconds=0.0, hits=hits)
    space.close()
    return space.path


def test_each_space_says_what_it_holds_and_saved_with_totals_below() -> None:
    keep("clip-a", "image", encoded=40, seconds=10.0, hits=480)
    keep("clip-a", "text", encoded=3, seconds=1.0, hits=9)
    lines = cache("info").output.splitlines()
    image, text, total = (line.split() for line in lines if line.split() and line.split()[0] in ("clip-a", "total"))
    if image[1] == "text":
        image, text = text, image
    assert image[:5] == ["clip-a", "image", "fp32", "cpu", "40"] and image[7:10] == ["480", "2.0", "min"]
    assert text[:5] == ["clip-a", "text", "fp32", "cpu", "3"] and text[7:10] == ["9", "3.0", "s"]
    assert total[:2] == ["total", "43"] and total[4:] == ["489", "2.0", "min"]
    assert any("an estimate" in line for line in lines)


def test_json_has_the_same_and_what_it_was_reckoned_from() -> None:
    path = keep("clip-a", "image", encoded=40, seconds=10.0, hits=480)
    found = json.loads(cache("info", "--json").stdout)
    (space,) = found["spaces"]
    assert space["file"] == str(path) and space["vectors"] == found["vectors"] == 40
    assert (space["encoded"], space["encoded_seconds"], space["hits"]) == (40, 10.0, 480)
    assert space["saved_seconds_estimate"] == found["saved_seconds_estimate"] == 120.0
    assert found["bytes"] == space["bytes"] > 0


def test_an_empty_cache_says_what_fills_it() -> None:
    assert "vlmbench run" in cache("info").output
    assert json.loads(cache("info", "--json").stdout)["spaces"] == []


def test_a_choice_of_what_is_cleared() -> None:
    old = keep("clip-a", "image", encoded=4, seconds=1.0, hits=0)
    os.utime(old, (time.time() - 9 * 86400,) * 2)
    new = keep("clip-b", "image", encoded=4, seconds=1.0, hits=0)
    other = keep("siglip", "image", encoded=4, seconds=1.0, hits=0)
    cache("clear", "--older-than", "7")
    assert (old.exists(), new.exists(), other.exists()) == (False, True, True)
    cache("clear", "--model", "clip-*")
    assert (new.exists(), other.exists()) == (False, True)
    space = FeatureSpace(features_folder(), {"model": "open"}, 4)
    assert "1 file was left" in cache("clear").output
    assert space.path.exists() and not other.exists()
    space.close()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0.0 s"), (59.94, "59.9 s"), (90.0, "1.5 min"), (3600.0, "1.0 h"), (1e6, "277.8 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_sizes() -> None:
    assert [size_text(size) for size in (0, 1023, 1536, 2**30)] == ["0 B", "1023 B", "1.5 KiB", "1.0 GiB"]
