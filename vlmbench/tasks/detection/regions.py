"""The boxes that a model classifies: the data's own, those of a results file, or those of selective search.

The detection plugin uses it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from vlmbench.data.base import Box, Target
from vlmbench.data.boxes import BoxFacts
from vlmbench.data.labels import listing
from vlmbench.errors import DataError, MissingDependencyError, UsageError
from vlmbench.features.images.decoded import Picture
from vlmbench.files import read_bytes
from vlmbench.paths import user_path
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.wording import counted, either

SELECTIVE_SEARCH_SEED = 0
"""The seed of the random numbers that rank regions."""
HELD = 16
"""The largest number of pictures that are in memory together, until their regions fill a batch."""


@dataclass(frozen=True)
class Regions:
    """The R boxes of one image that the model classifies.

    Attributes:
        boxes: (R, 4) float32 left, top, right, bottom, in pixels; inside the image and not empty.
        objectness: (R,) the score that each box is an object; None if there are no scores.
        truth: (R,) int64 true class of each of the data's own boxes; None for other boxes.
        lost: the number of boxes that were empty or outside the image.
    """

    boxes: Tensor
    objectness: Tensor | None = None
    truth: Tensor | None = None
    lost: int = 0


def true_regions(target: Target, image: PIL.Image.Image) -> Regions:
    """The data's own boxes. Crowds are left out, because they are not single objects."""
    own = [box for box in target if isinstance(box, Box) and not box.crowd] if isinstance(target, tuple) else []
    boxes, inside = _clipped(torch.tensor([box.xywh for box in own], dtype=torch.float64).reshape(-1, 4), image)
    labels = torch.tensor([box.label for box in own], dtype=torch.int64)
    return Regions(boxes, truth=labels[inside], lost=len(own) - len(boxes))


def grouped(pictures: Iterable[Picture[Regions]], enough: int) -> Iterator[list[Picture[Regions]]]:
    """Groups of pictures with at least ``enough`` regions or :data:`HELD` pictures. The last group may be smaller."""
    group: list[Picture[Regions]] = []
    regions = 0
    for picture in pictures:
        group.append(picture)
        regions += len(picture.truth.boxes)
        if regions >= enough or len(group) == HELD:
            yield group
            group, regions = [], 0
    if group:
        yield group


@dataclass(frozen=True)
class Proposals:
    """The boxes of a results file. The boxes of each image are sorted by score, the highest first.

    Attributes:
        by_image: for each image id, (N, 4) left, top, width, height and (N,) scores.
        sha256: the hash of the file.
    """

    by_image: dict[int, tuple[Tensor, Tensor]]
    sha256: str

    def regions(self, image_id: int, image: PIL.Image.Image, limit: int) -> Regions:
        """The first ``limit`` proposals of an image, clipped to the image."""
        xywh, scores = self.by_image.get(image_id, (torch.empty(0, 4, dtype=torch.float64), torch.empty(0)))
        boxes, inside = _clipped(xywh[:limit], image)
        return Regions(boxes, objectness=scores[:limit][inside], lost=len(xywh[:limit]) - len(boxes))


def proposals_of(task: str, how: DetectionProtocol, facts: BoxFacts) -> Proposals | None:
    """The proposals that the protocol names; None if the boxes come from elsewhere.

    Raises:
        UsageError: the protocol needs a file, and the user names none.
        DataError: see :func:`read_proposals`.
    """
    if how.regions != "proposals":
        return None
    if how.proposals is None:
        raise UsageError(f"{task}: the file of the proposals is not set", hint="Name it with --set proposals=FILE.")
    return read_proposals(user_path(how.proposals), facts.image_ids)


def read_proposals(path: Path, image_ids: Sequence[int]) -> Proposals:
    """Read a results file in COCO's form: a JSON list of objects with ``image_id``, ``bbox`` and ``score``.

    Raises:
        DataError: the file cannot be read or has another form, a box or score is not valid, or an image id is not in
            the data.
    """
    try:
        content = read_bytes(path)
        entries = json.loads(content)
    except OSError as error:
        raise DataError(f"proposals {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"proposals {path} are not valid JSON: {error}") from error
    if not isinstance(entries, list):
        raise DataError(f"proposals {path}: a results file is a list, not a {type(entries).__name__}")
    known, found = set(image_ids), dict[int, list[tuple[list[float], float]]]()
    for number, entry in enumerate(entries):
        image_id, box, score = _proposal(entry, number, path)
        found.setdefault(image_id, []).append((box, score))
    if unknown := sorted(set(found) - known):
        raise DataError(
            f"proposals {path}: {counted(len(unknown), 'image id')} {either(len(unknown), 'is', 'are')} not in the "
            f"data: {listing(map(str, unknown))}",
            hint="The file seems to belong to another dataset or split.",
        )
    by_image = {}
    for image_id, rows in found.items():
        rows.sort(key=lambda row: -row[1])  # stable: equal scores keep the file's order
        xywh = torch.tensor([box for box, _ in rows], dtype=torch.float64)
        by_image[image_id] = (xywh, torch.tensor([score for _, score in rows], dtype=torch.float32))
    return Proposals(by_image, sha256(content).hexdigest())


def _proposal(entry: Any, number: int, path: Path) -> tuple[int, list[float], float]:
    try:
        image_id, box, score = entry["image_id"], [float(side) for side in entry["bbox"]], float(entry["score"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"proposals {path}: entry {number} lacks a valid image_id, bbox or score: {str(entry)[:100]}"
        ) from error
    if isinstance(image_id, bool) or not isinstance(image_id, int):
        raise DataError(f"proposals {path}: entry {number} has the image id {image_id!r}, which is not a whole number")
    if len(box) != 4 or not all(map(math.isfinite, (*box, score))) or min(box[2:]) < 0:
        raise DataError(
            f"proposals {path}: entry {number} (image {image_id}) has box {box} and score {score}; a box needs four "
            "finite numbers with a width and height of at least 0, and a score must be finite"
        )
    return image_id, box, score


def check_selective_search() -> str:
    """The version of selective search that is installed, for the record.

    Raises:
        MissingDependencyError: OpenCV is not installed, or it lacks its contributed modules.
    """
    try:
        import cv2
    except ModuleNotFoundError as error:
        raise _no_opencv("OpenCV is not installed") from error
    if not hasattr(cv2, "ximgproc"):
        raise _no_opencv("the installed OpenCV lacks its contributed modules")
    return f"OpenCV {cv2.__version__}, fast"


def selective_search(image: PIL.Image.Image, limit: int) -> Regions:
    """The first ``limit`` regions of selective search (Uijlings et al. 2013) in OpenCV's fast mode, without scores.

    As in the paper, regions are sorted by their place in the hierarchy times a random number, and large regions have
    the first places. OpenCV draws other random numbers from the C library at each call. Here the place of a region is
    its rank by area, the largest first, and the random numbers have a fixed seed.
    """
    import cv2

    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(np.asarray(image)[:, :, ::-1]))  # OpenCV's colours are blue first
    search.switchToSelectiveSearchFast()
    found = np.unique(np.asarray(search.process(), dtype=np.float64).reshape(-1, 4), axis=0)
    by_area = found[np.argsort(-found[:, 2] * found[:, 3], kind="stable")]
    ranks = np.arange(1, len(by_area) + 1) * np.random.default_rng(SELECTIVE_SEARCH_SEED).random(len(by_area))
    chosen = torch.from_numpy(by_area[np.argsort(ranks, kind="stable")[:limit]])
    boxes, _ = _clipped(chosen, image)
    return Regions(boxes, lost=len(chosen) - len(boxes))


def _clipped(xywh: Tensor, image: PIL.Image.Image) -> tuple[Tensor, Tensor]:
    """Clip (N, 4) left, top, width, height to the image.

    Returns:
        (R, 4) left, top, right, bottom of the boxes that are not empty inside the image, and (N,) which these are.
    """
    left, top, width, height = xywh.unbind(dim=1)
    corners = torch.stack(
        [
            left.clamp(0, image.width),
            top.clamp(0, image.height),
            (left + width).clamp(0, image.width),
            (top + height).clamp(0, image.height),
        ],
        dim=1,
    )
    corners = corners.float()  # before the test: a box that is only as wide as the rounding of float64 is empty
    inside = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    return corners[inside], inside


def _no_opencv(what: str) -> MissingDependencyError:
    return MissingDependencyError(f"selective search cannot run: {what}", hint="pip install 'vlmbench[proposals]'")
