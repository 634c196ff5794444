"""What users write becomes a path or a URL, and a URL never carries credentials further."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import fsspec  # noqa: F401 - its registry is replaced below
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.errors import MissingDependencyError, UsageError
from vlmbench.storage.base import Url
from vlmbench.storage.folders import open_folder
from vlmbench.storage.locations import results_location, user_location


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("runs", Path("runs")),
        ("~/runs", Path.home() / "runs"),
        (Path("a//b/"), Path("a/b")),
        ("a:b/c", Path("a:b/c")),
        ("memory://a/b", Url("memory://a/b")),
        ("MEMORY://a//b///c/", Url("memory://a/b/c")),
        ("memory:///a", Url("memory://a")),
        ("file:///tmp/a%20b", Path("/tmp/a b")),
        ("file://localhost/tmp", Path("/tmp")),
        ("hf://datasets/me/runs@main/x", Url("hf://datasets/me/runs@main/x")),
        ("https://host:8443/shard.tar?download=1", Url("https://host:8443/shard.tar?download=1")),
    ],
)
def test_locations(written: str, found: Path | Url) -> None:
    assert user_location(written) == found
    assert open_folder(found).location == found


@pytest.mark.parametrize(
    "written",
    [
        "s3://AKIA:hunter2@bucket/x",
        "s3://AKIA:hun/ter2@bucket/x",
        "s3://hunter2@bucket",
        "s3:/AKIA:hunter2@bucket/x",
        "gs://hunter2@bucket/x",
        "hf://me:hunter2@datasets/a/b",
        "abfs://me:hunter2@account/x",
        "https://hunter2@host/x",
        "https://host/x?X-Amz-Credential=hunter2",
        "https://host/x?a=1&sig=hunter2",
        "s3://bucket/x?AWSAccessKeyId=a&Signature=hunter2",
        "memory://a#token=hunter2",
        "zip://x::s3://AKIA:hunter2@bucket/x",
        "https://host/hunter2?access_token=",
    ],
)
def test_credentials_are_refused_and_not_repeated(written: str) -> None:
    with pytest.raises(UsageError) as caught:
        user_location(written)
    assert "hunter2" not in str(caught.value) and "AKIA" not in str(caught.value).replace("AWS_ACCESS_KEY_ID", "")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("s3:/bucket/x", "'s3:/bucket/x' is neither a folder nor a URL", "Did you mean s3://bucket/x?"),
        (
            Path("s3://bucket/x"),
            "'s3:/bucket/x' is neither a folder nor a URL",
            "Did you mean s3://bucket/x? Give a URL",
        ),
        ("s3//bucket", "'s3//bucket' is neither", "Did you mean s3://bucket?"),
        ("s3:///bucket/x", "'s3:///bucket/x' names no bucket", "Did you mean s3://bucket/x?"),
        ("gs://", "'gs://' names no bucket", "It looks like this: gs://NAME/PATH."),
        ("s3://bucket/../x", "has '.' or '..' as a part", "Write the path without it."),
        ("memory://a/\nb", "a URL has no line breaks", ""),
        ("memori://a", "memori:// is no storage that fsspec knows", "Did you mean memory://?"),
        ("nosuch://a", "nosuch:// is no storage that fsspec knows", "Known are s3://,"),
        ("file://runs/x", "is not the URL of a file of this machine", "Write three slashes"),
        ("zip://a::memory://b", "chains several URLs", "Name the one place"),
    ],
)
def test_what_is_no_location_is_said_with_a_remedy(written: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        user_location(written)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_a_folder_with_the_name_of_a_typing_error_is_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s3:/bucket").mkdir(parents=True)
    assert user_location("s3:/bucket") == Path("s3:/bucket")


@pytest.mark.parametrize(
    ("scheme", "package", "command"), [("gs", "gcsfs", "'vlmbench[gs]'"), ("abfs", "adlfs", "adlfs")]
)
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, command: str
) -> None:
    look = importlib.util.find_spec

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(sys.modules["fsspec.registry"], "get_filesystem_class", missing)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else look(name))
    with pytest.raises(MissingDependencyError, match=f"{scheme}:// needs the package {package}") as caught:
        user_location(f"{scheme}://place/x")
    assert caught.value.hint == f"pip install {command}"


def test_a_web_server_is_no_results_folder() -> None:
    with pytest.raises(UsageError, match="a web server has no list of the files in a folder"):
        results_location("https://host/runs")


@given(st.text(max_size=40))
def test_any_text_is_a_location_or_a_usage_error(text: str) -> None:
    for prefix in ("", "memory://"):
        try:
            found = user_location(prefix + text)
        except (UsageError, MissingDependencyError):
            continue
        if prefix:
            assert isinstance(found, Url) and ".." not in found.text.split("/")
