"""Finds the file that describes a folder's images. The sources of boxes and captions use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.data.formats.folder_walk import is_junk_file, subfolders
from vlmbench.data.labels import listing
from vlmbench.data.location import argument, existing_places, missing, one_of
from vlmbench.errors import DataError
from vlmbench.wording import either

_MOST_WAYS = 4
PROBED = 5
"""To find the folder of images, only this many images are looked for."""


@dataclass(frozen=True)
class UsualNames:
    """The usual names of annotation files, for a card that does not name the file. Several matching files are an error.

    Attributes:
        patterns: patterns of the files' names, relative to the folder.
        called: what the files are, for messages: ``the captions``.
        none: that there is no such file, for messages that begin with ``FOLDER has``: ``no file of captions``.
        otherwise: patterns that are used only if no file matches the others.
    """

    patterns: tuple[str, ...]
    called: str
    none: str
    otherwise: tuple[str, ...] = ()

    def below(self, root: Path) -> list[Path]:
        """The files in a folder that have these names, in any letter case, without hidden files."""
        return _matching(root, self.patterns) or _matching(root, self.otherwise)


def find_annotations(
    spec: SourceSpec, context: SourceContext, usual: UsualNames, *, beside: Sequence[str] = ()
) -> tuple[str, Path, Path]:
    """Find the first location that has annotations.

    Args:
        spec: its option ``annotations`` names the file, or several files, of which the first that exists is used.
        usual: the names to try if the option is not given.
        beside: other files that the folder must have.

    Returns:
        The location as the card writes it, its folder, and the annotation file.

    Raises:
        MissingDataError: there is no such folder or file.
        DataError: the card names no file, and the folder has no file of a usual name, or several.
    """
    names = strings(spec, "annotations")
    for place in existing_places(spec, context):
        if not place.path.is_dir():
            return place.location, place.path.parent, place.path
        there = [place.path / name for name in names if (place.path / name).is_file()]
        if all((place.path / name).is_file() for name in beside) and (there or not names):
            return place.location, place.path, there[0] if there else _guessed(place.path, spec, usual)
    every = [f"{location}/{name}" for location in (spec.location, *spec.other_locations) for name in (*names, *beside)]
    raise missing(spec, context, looked_for=every or None)


def folders_with(images: Sequence[str], places: Iterable[Path]) -> list[Path]:
    """The folders that hold one of the first :data:`PROBED` images: some images may be missing."""
    return [place for place in places if any((place / image).is_file() for image in images[:PROBED])]


def strings(spec: SourceSpec, option: str) -> list[str]:
    """An option that is one string or a list of strings, as a list; empty if the option is not given."""
    asked = spec.options.get(option, [])
    return [str(name) for name in (asked if isinstance(asked, list) else [asked])]


def _matching(root: Path, patterns: Sequence[str]) -> list[Path]:
    any_case = ("".join(f"[{sign.lower()}{sign.upper()}]" if sign.isalpha() else sign for sign in p) for p in patterns)
    found = dict.fromkeys(path for pattern in any_case for path in sorted(root.glob(pattern)))
    return [path for path in found if not is_junk_file(path.name)]


def _guessed(root: Path, spec: SourceSpec, usual: UsualNames) -> Path:
    found = usual.below(root)
    if len(found) == 1:
        return found[0]
    names = [path.relative_to(root).as_posix() for path in found]
    deeper = [] if found else [root / name for name in subfolders(root) if usual.below(root / name)]
    if deeper:
        raise DataError(
            f"{spec.kind} {spec.location!r}: {root} has {usual.none}, but {either(len(deeper), 'a folder', 'folders')} "
            f"in it {either(len(deeper), 'has', 'have')}: {listing(path.name for path in deeper)}",
            hint=f"Name the folder: {one_of([argument(spec.kind, path) for path in deeper], _MOST_WAYS)}.",
        )
    what = f"several files that may be {usual.called}: {listing(names)}" if found else usual.none
    ways = one_of([argument(spec.kind, path) for path in found], _MOST_WAYS)
    raise DataError(
        f"{spec.kind} {spec.location!r}: {root} has {what}",
        hint=f"Name the file itself{f': {ways}' if ways else ' as the location'}. In a card's source, it is "
        "`options: {annotations: …}`.",
    )
