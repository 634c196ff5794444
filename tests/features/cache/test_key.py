"""The code in the feature cache's key: every file on the way from bytes to features, and none silently missing."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from vlmbench.features.cache.key import PACKAGE, code_sha256, feature_code

NO_PART = {
    *("vlmbench._version", "vlmbench.errors", "vlmbench.registry", "vlmbench.markup"),
    *("vlmbench.files", "vlmbench.network", "vlmbench.paths", "vlmbench.wording"),
    *("vlmbench.cards", "vlmbench.card_files", "vlmbench.records", "vlmbench.kinds", "vlmbench.data.remote"),
    *("vlmbench.remarks.base", "vlmbench.remarks.codes", "vlmbench.storage.base", "vlmbench.storage.mirror"),
}
"""Modules that features import and whose code changes no feature: messages, names, schemas, downloads, refusals.
Weights, transforms and options of cards are in the key by value."""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package that may be edited."""
    return Path(shutil.copytree(PACKAGE, tmp_path / "vlmbench", ignore=shutil.ignore_patterns("__pycache__", "*.csv")))


def test_one_changed_byte_in_any_file_gives_another_key(package: Path) -> None:
    before = code_sha256(package)
    files = feature_code(package)
    assert len(files) > 50
    for file in files:
        text = file.read_bytes()
        file.write_bytes(text + b"#")
        code_sha256.cache_clear()
        assert code_sha256(package) != before, file
        file.write_bytes(text)
    code_sha256.cache_clear()
    assert code_sha256(package) == before


def test_a_renamed_file_gives_another_key(package: Path) -> None:
    before = code_sha256(package)
    (package / "features/precision.py").rename(package / "features/precisions.py")
    code_sha256.cache_clear()
    assert code_sha256(package) != before


@pytest.mark.parametrize("missing", ["data/formats/decode.py", "models"])
def test_a_listed_file_that_is_missing_is_an_error(package: Path, missing: str) -> None:
    place = package / missing
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        code_sha256(package)


def imported(file: Path) -> set[str]:
    """The modules of this package that a file imports, inside functions and for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return {name for name in found if name.startswith("vlmbench.") and module_file(name)}


def module_file(name: str) -> Path | None:
    """The file of a module of this package; None where the name is none's."""
    place = PACKAGE.parent.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def test_every_file_that_features_import_is_listed() -> None:
    listed = set(feature_code(PACKAGE))
    for file in listed:
        for name in imported(file) - NO_PART:
            found = module_file(name)
            assert found in listed or (found and found.read_text().count("\n") <= 1), f"{file} imports {name}"
