"""Makes the evaluation sets of the demo: rendered sets, and real pictures that come with two Python packages.

Nothing is downloaded. The files of scikit-learn and scikit-image are read from their installed packages, but neither
package is imported. A set takes a second or two. The source ``demo`` (``data/sources/demo.py``) gives them to tasks.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from vlmbench.demo.captions import BARE_TEMPLATES, caption_scene
from vlmbench.demo.png import encode_png
from vlmbench.demo.scenes import RenderedObject, draw_scene, render
from vlmbench.demo.spec import COMBINATIONS, HELD_OUT, SHAPES, SceneSpec

SCENE_SIZE = 128
"""The width and height of rendered evaluation images, in pixels. It is twice the training size, so that people can look
at them."""

_SCENES_PER_COMBINATION = 20
_OBJECT_SCENES = 200
_DIGITS_PER_CLASS = 30
_CAPTIONS_PER_SCENE = 5

_PHOTOS: tuple[tuple[str, str, str], ...] = (
    ("skimage", "data/astronaut.png", "an astronaut"),
    ("skimage", "data/brick.png", "a brick wall"),
    ("skimage", "data/camera.png", "a photographer with a camera on a tripod"),
    ("skimage", "data/chelsea.png", "a cat"),
    ("skimage", "data/coffee.png", "a cup of coffee"),
    ("skimage", "data/coins.png", "coins"),
    ("skimage", "data/grass.png", "grass"),
    ("skimage", "data/gravel.png", "gravel"),
    ("skimage", "data/hubble_deep_field.jpg", "galaxies in deep space"),
    ("skimage", "data/ihc.png", "stained tissue under a microscope"),
    ("skimage", "data/moon.png", "the surface of the moon"),
    ("skimage", "data/motorcycle_left.png", "a motorcycle"),
    ("skimage", "data/page.png", "a page of printed text"),
    ("skimage", "data/retina.jpg", "the retina of an eye"),
    ("skimage", "data/rocket.jpg", "a rocket"),
    ("skimage", "data/text.png", "handwriting on paper"),
    ("sklearn", "datasets/images/china.jpg", "a temple"),
    ("sklearn", "datasets/images/flower.jpg", "a flower"),
)
"""(package, file, class): all photographs in these packages that show one thing with a name. These are left out:
drawings and charts, the right half of the stereo pair, a motion-blurred clock, a phase image of a cell, and a second,
tiny retina."""

MASK_CLASSES: tuple[str, ...] = ("background", *SHAPES)
"""The classes of the pixels of rendered samples, in the order of the masks' values."""


@dataclass(frozen=True)
class DemoSample:
    """One image with its label.

    ``target`` is a class index; in a multi-label set it is a tuple of class indices. Rendered samples also have true
    captions, and the exact boxes and masks of their objects.
    """

    id: str
    image: bytes
    """The bytes of a PNG or JPEG file."""
    target: int | tuple[int, ...]
    captions: tuple[str, ...] = ()
    objects: tuple[RenderedObject, ...] = ()

    def mask(self) -> bytes:
        """The mask as a grey PNG. Each pixel is the index of its shape in :data:`MASK_CLASSES`.

        Raises:
            ValueError: the sample is not rendered.
        """
        if not self.objects:
            raise ValueError(f"{self.id} has no objects with masks")
        labels = np.zeros(self.objects[0].mask.shape, dtype=np.uint8)
        for item in self.objects:
            labels[item.mask] = MASK_CLASSES.index(item.shape)
        return encode_png(labels)


@dataclass(frozen=True)
class DemoSet:
    """An evaluation set. Its ``templates`` are prompts that read well with its class names."""

    name: str
    classes: tuple[str, ...]
    samples: list[DemoSample]
    multi_label: bool
    source: str
    """One line about where the data comes from, and its licence."""
    templates: tuple[str, ...]


def scenes() -> DemoSet:
    """400 scenes of one object, whose pair of colour and shape was never in training. The classes are all 80 pairs."""
    samples = []
    held_out = [pair for pair in COMBINATIONS if pair in HELD_OUT]
    for index in range(len(held_out) * _SCENES_PER_COMBINATION):
        pair = held_out[index % len(held_out)]
        rng = Random(f"scenes:{index}")
        samples.append(_rendered(f"scenes-{index:04d}", draw_scene(rng, 1, [pair]), rng, COMBINATIONS.index(pair)))
    classes = tuple(f"{colour} {shape}" for colour, shape in COMBINATIONS)
    return DemoSet("scenes", classes, samples, False, _RENDERED, BARE_TEMPLATES)


def objects() -> DemoSet:
    """200 scenes of two to four objects. The labels are the shapes in the scene.

    Their pairs of colour and shape were in training. This set asks about several objects; ``scenes`` asks about new
    pairs.
    """
    samples = []
    for index in range(_OBJECT_SCENES):
        rng = Random(f"objects:{index}")
        spec = draw_scene(rng, 2 + index % 3)
        target = tuple(i for i, shape in enumerate(SHAPES) if any(item.shape == shape for item in spec.objects))
        samples.append(_rendered(f"objects-{index:04d}", spec, rng, target))
    return DemoSet("objects", SHAPES, samples, True, _RENDERED, _OBJECT_TEMPLATES)


def digits() -> DemoSet:
    """300 real handwritten digits, 30 of each class, as grey PNG files of 8 x 8 pixels.

    They are not enlarged here, because each model's own preprocessing does that. Any method chosen here would favour
    models with a similar interpolation. The 17 grey levels are spread over 0 to 255 without loss.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    return _digits("digits", 0)


def digits_train() -> DemoSet:
    """300 other digits, 30 of each class, for transfer methods to learn from.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    return _digits("digits-train", _DIGITS_PER_CLASS)


def _digits(name: str, first: int) -> DemoSet:
    """The digits of each class from one place on."""
    with gzip.open(_packaged("sklearn", "datasets/data/digits.csv.gz"), "rt", encoding="ascii") as file:
        table = np.loadtxt(file, delimiter=",")
    levels, labels = table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(int)
    samples = []
    for label in range(10):
        # Sorted by a hash instead of drawn, because a random generator may change with its implementation.
        rows = sorted((int(row) for row in np.flatnonzero(labels == label)), key=_shuffle_key)
        for row in rows[first : first + _DIGITS_PER_CLASS]:
            pixels = np.rint(levels[row] * 255 / 16).astype(np.uint8)
            samples.append(DemoSample(f"digits-{row:04d}", encode_png(pixels), label))
    return DemoSet(name, tuple("0123456789"), samples, False, _DIGITS_SOURCE, _DIGIT_TEMPLATES)


def photos() -> DemoSet:
    """18 real photographs of 18 classes. Each file has the same bytes as in its package.

    Raises:
        MissingDependencyError: scikit-image or scikit-learn is not installed.
    """
    samples = [
        DemoSample(Path(file).name, _packaged(package, file).read_bytes(), index)
        for index, (package, file, _) in enumerate(_PHOTOS)
    ]
    return DemoSet("photos", tuple(name for _, _, name in _PHOTOS), samples, False, _PHOTOS_SOURCE, _PHOTO_TEMPLATES)


def faces() -> DemoSet:
    """100 faces (target 1) and 100 background patches (target 0), as grey PNG files of 25 x 25 pixels.

    Raises:
        MissingDependencyError: scikit-image is not installed.
    """
    levels: NDArray[np.float64] = np.load(_packaged("skimage", "data/lfw_subset.npy"))
    samples = [
        DemoSample(f"faces-{row:03d}", encode_png(np.rint(picture * 255).astype(np.uint8)), int(row < 100))
        for row, picture in enumerate(levels)
    ]
    classes = ("something that is not a face", "a human face")
    return DemoSet("faces", classes, samples, False, _FACES_SOURCE, _PHOTO_TEMPLATES)


DEMO_SETS: dict[str, Callable[[], DemoSet]] = {
    "scenes": scenes,
    "objects": objects,
    "digits": digits,
    "digits-train": digits_train,
    "photos": photos,
    "faces": faces,
}

_RENDERED = "rendered by vlmbench.demo.scenes from fixed seeds; same licence as vlmbench"
_DIGITS_SOURCE = (
    "scikit-learn load_digits: the test part of Optical Recognition of Handwritten Digits, "
    "E. Alpaydin and C. Kaynak, UCI, https://doi.org/10.24432/C50P49, CC BY 4.0"
)
_PHOTOS_SOURCE = (
    "photographs inside the scikit-image wheel (CC0 or public domain, see skimage.data) and the scikit-learn wheel "
    "(CC BY 2.0: china.jpg by danielbuechele, flower.jpg by vultilion)"
)
_FACES_SOURCE = (
    "scikit-image lfw_subset: crops of Labeled Faces in the Wild, G. Huang et al. 2012, "
    "http://vis-www.cs.umass.edu/lfw/, for research"
)
_OBJECT_TEMPLATES = (
    "a {}",
    "a photo of a {}",
    "an image with a {}",
    "a photo containing a {}",
    "a picture of a {}",
)
_DIGIT_TEMPLATES = (
    "the number {}",
    "the digit {}",
    "a handwritten digit {}",
    "a photo of the number {}",
    'a photo of the number: "{}".',
)
_PHOTO_TEMPLATES = ("{}", "a photo of {}", "a picture of {}", "a close-up photo of {}")


def _rendered(name: str, spec: SceneSpec, rng: Random, target: int | tuple[int, ...]) -> DemoSample:
    pixels, rendered = render(spec, SCENE_SIZE)
    captions = dict.fromkeys(caption.text for caption in caption_scene(spec, rng, _CAPTIONS_PER_SCENE))
    return DemoSample(name, encode_png(pixels), target, tuple(captions), rendered)


def _shuffle_key(row: int) -> str:
    return hashlib.sha256(f"digits:{row}".encode()).hexdigest()


def _packaged(package: str, file: str) -> Path:
    from vlmbench.errors import MissingDependencyError

    hint = "pip install 'vlmbench[demo]'"
    distribution = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError(f"{distribution} is not installed, but the demo reads {file} from it", hint=hint)
    path = Path(found.submodule_search_locations[0]) / file
    if not path.is_file():
        raise MissingDependencyError(f"the installed {distribution} has no file {file}", hint=hint)
    return path
