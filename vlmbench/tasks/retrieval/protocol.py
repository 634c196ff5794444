"""The settings of a retrieval card: the text around a caption, and how many captions of an image count.

The plugin and the checks of cards read it, and ``vlmbench tasks show`` lists it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlmbench.cards import check_templates


class RetrievalProtocol(BaseModel):
    """The settings in a card's ``protocol`` and in ``--set``.

    Attributes:
        template: the text to encode; the caption replaces ``{}`` in it. CLIP_benchmark encodes the caption alone.
            CLIP's paper has "a photo of" before it (section 3.1).
        captions_per_image: the number of captions of each image that count, beginning with the first; None: all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    template: str = "{}"
    captions_per_image: int | None = Field(default=None, ge=1)

    @field_validator("template")
    @classmethod
    def _has_a_place(cls, template: str) -> str:
        check_templates([template])
        return template
