"""Defines the capability of models that compare several vectors of an image with several vectors of a text.

Adapters implement it, the engine encodes with it (:mod:`vlmbench.features.vectors`), and classification and retrieval
use it for models that are not dual encoders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import PIL.Image
from torch import Tensor

from vlmbench.models.base import Model, Pixels, capability, lacks_encoders

Similarity = Literal["max over image vectors", "token-wise"]
"""How one number is made of the cosines between an image's vectors and a text's.

``max over image vectors``: the highest cosine of an image's vector with the text's only vector. It is the same in both
directions. Source: BLIP-2, section 3.1 (Li et al. 2023).

``token-wise``: of an image to a text, each vector of the image takes its best vector of the text, and these cosines are
averaged over the image's vectors; of a text to an image, each vector of the text takes its best vector of the image,
and these are averaged over the text's vectors. Source: FILIP, section 3.1 (Yao et al. 2022).
"""

Ensemble = Literal["mean of similarities", "mean of vectors"]
"""How the prompts of one class become one score.

``mean of similarities``: the similarity to each prompt, averaged. It allows prompts of different lengths.

``mean of vectors``: the prompts' vectors are averaged place by place, and divided by the root mean square of their
lengths. For one vector a text this is CLIP's ensemble. The prompts must have equally many vectors. Source:
Sense-GVT/DeCLIP prototype/solver/filip_solver.py, which divides by the length of all places together: another constant
factor, which changes no order.
"""


@runtime_checkable
class MultiVectorEncoder(Protocol):
    """The capability of models that give an image K vectors and a text up to L vectors in one space.

    Every vector has unit length. An image or text with fewer vectors is filled with vectors of zeros: these are padding
    and take no part. ``preprocess`` and the encoders are called as those of a
    :class:`~vlmbench.models.base.VisionLanguageModel` are. ``logit_scale`` is the factor itself, 1.0 without one.
    """

    similarity: Similarity
    ensemble: Ensemble
    embedding_dim: int
    """D, the length of a vector."""
    image_vectors: int
    """K, the number of vectors of every image, with padding."""
    text_vectors: int
    """L, the number of vectors of every text, with padding. It is 1 for ``max over image vectors``."""
    logit_scale: float

    def preprocess(self, image: PIL.Image.Image) -> Pixels:
        """Apply the model's own transform. Returns (3, H, W) float32, or several named tensors."""

    def encode_image_vectors(self, pixels: Any) -> Tensor:
        """Encode (B, 3, H, W), or a mapping of tensors with B rows, to (B, K, D)."""

    def encode_text_vectors(self, texts: Sequence[str]) -> Tensor:
        """Encode N strings to (N, L, D)."""


def multi_vector(model: Model) -> MultiVectorEncoder | None:
    """The capability, if it is the way to ask this model about whole images: a dual encoder is asked as one."""
    return capability(model, MultiVectorEncoder) if lacks_encoders(model) else None


def lacks_similarity(model: Model, frames: int) -> str | None:
    """Explain why the model cannot compare whole images with texts, and what would help; None if it can.

    Args:
        frames: the number of images of a sample. Several vectors of each frame are not averaged to those of a clip.
    """
    if multi_vector(model) is None:
        return lacks_encoders(model)
    if frames == 1:
        return None
    return (
        f"it gives each of the {frames} frames of a clip several vectors, and vlmbench does not average those. Set "
        "options: {frames: 1} of the source in a card of your own, or ask a dual encoder, such as -m demo-clip"
    )


def similarity_fields(encoder: MultiVectorEncoder) -> Mapping[str, Any]:
    """What a record's protocol says of the similarity."""
    return {
        "similarity": encoder.similarity,
        "image_vectors": encoder.image_vectors,
        "text_vectors": encoder.text_vectors,
    }
