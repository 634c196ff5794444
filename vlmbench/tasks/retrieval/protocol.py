"""What a retrieval card can set: the text around a caption, and how many captions of an image count."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vlmbench.cards import check_templates


class RetrievalProtocol(BaseModel):
    """What a card's ``protocol``, and the user, may set.

    Attributes:
        template: the text that is encoded for a caption, which takes the place of ``{}``. CLIP_benchmark encodes the
            bare caption; CLIP's paper put "a photo of" before it (section 3.1).
        captions_per_image: only this number of captions of each image count, the first ones; None: all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    template: str = "{}"
    captions_per_image: int | None = Field(default=None, ge=1)

    @field_validator("template")
    @classmethod
    def _has_a_place(cls, template: str) -> str:
        check_templates([template])
        return template
