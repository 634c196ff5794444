"""X-CLIP on clips against the library's own forward pass, alone and in a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from data.layouts import image_bytes

from vlmbench.data.formats.decode import decode_image
from vlmbench.errors import BadSampleError, UnsupportedError
from vlmbench.features.engine import EngineSettings, FeatureEngine
from vlmbench.models.base import capability, dual_encoder
from vlmbench.models.clip_encoder import ClipEncoder
from vlmbench.prompts import PromptSet
from vlmbench.tasks.zero_shot import comparison_fields, lacks, zero_shot
from vlmbench.testing import check_model
from vlmbench.testing.conformance import ConformanceError

transformers = pytest.importorskip("transformers", reason="the transformers extra is not installed")

from models import dual_checkpoints as saved  # noqa: E402  (after the skip)
from models.checkpoints import open_folder  # noqa: E402
from support.abilities import check_cards_of  # noqa: E402
from support.clips import Clips  # noqa: E402

CLASSES = ["cat", "dog", "a photo", "a red bus", "tree"]
TEMPLATES = ["a photo of a {}", "{}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved.x_clip(tmp_path_factory.mktemp("x_clip"))


@pytest.fixture(scope="module")
def clips() -> list[list[bytes]]:
    return [[image_bytes(10 * clip + frame, size=(56, 40)) for frame in range(saved.FRAMES)] for clip in range(5)]


def library_logits(folder: Path, clips: Sequence[Sequence[bytes]], texts: Sequence[str]) -> Any:
    library = transformers.XCLIPModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    frames = [decode_image(frame, "frame") for clip in clips for frame in clip]
    pixels = processor(images=frames, return_tensors="pt")["pixel_values"]
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(list(texts), padding=True, return_tensors="pt")
    with torch.inference_mode():
        return library(**tokens, pixel_values=pixels.view(len(clips), saved.FRAMES, *pixels.shape[1:]))


def prompt_set(templates: Sequence[str]) -> PromptSet:
    return PromptSet(tuple(CLASSES), tuple(templates), "card", "card")


def answered(folder: Path, dataset: Any, prompts: PromptSet, settings: EngineSettings) -> tuple[torch.Tensor, Any, Any]:
    engine = FeatureEngine(open_folder(folder), settings)
    classifier, batches = zero_shot(engine, dataset, range(len(dataset.samples)), prompts)
    parts = [(batch.indices, batch.contents, classifier.logits(batch.features)) for batch in batches]
    return torch.cat([logits for _, _, logits in parts]), [row for rows, _, _ in parts for row in rows], engine


@pytest.mark.parametrize("batch_size", [1, 8, 64])
def test_logits_are_the_librarys(folder, clips, batch_size):
    dataset: Any = Clips(clips, saved.FRAMES)
    cosines, order, engine = answered(folder, dataset, prompt_set(["{}"]), EngineSettings(batch_size=batch_size))
    expected = library_logits(folder, clips, CLASSES)
    assert order == list(range(len(clips)))
    torch.testing.assert_close(engine.model.logit_scale * cosines, expected.logits_per_video, rtol=1e-5, atol=1e-5)
    assert engine.tally.pictures == len(clips) * saved.FRAMES and engine.tally.encoded == 0
    # The texts depend on the clip: with fixed texts the logits are others.
    fixed = F.normalize(engine.model.project_text(CLASSES), dim=-1) @ F.normalize(expected.video_embeds, dim=-1).T
    assert (fixed.T - cosines).abs().max() > 0.01


def test_several_templates_are_averaged_as_clip_does(folder, clips, monkeypatch):
    """Against a literal loop over the library's text features of each clip; in one block, and in small ones."""
    prompts = prompt_set(TEMPLATES)
    expected = library_logits(folder, clips, prompts.prompts)
    by_class = F.normalize(expected.text_embeds, dim=-1).view(len(clips), len(CLASSES), len(TEMPLATES), -1)
    heads = F.normalize(by_class.mean(dim=2), dim=-1)
    literal = torch.stack([heads[row] @ F.normalize(expected.video_embeds[row], dim=-1) for row in range(len(clips))])
    dataset: Any = Clips(clips, saved.FRAMES)
    for most in (2**23, 1):
        monkeypatch.setattr("vlmbench.models.transformers.families.x_clip.MOST_VALUES", most)
        cosines, _, _ = answered(folder, dataset, prompts, EngineSettings(batch_size=8))
        torch.testing.assert_close(cosines, literal, rtol=1e-5, atol=1e-6)


def test_a_bad_frame_makes_its_clip_bad(folder, clips):
    dataset: Any = Clips([clips[0], [*clips[1][:-1], None], *clips[2:]], saved.FRAMES)
    with pytest.raises(BadSampleError, match="a frame is lost"):
        answered(folder, dataset, prompt_set(["{}"]), EngineSettings(batch_size=8))
    cosines, order, engine = answered(folder, dataset, prompt_set(["{}"]), EngineSettings(batch_size=8, skip_bad=True))
    assert order == [0, 2, 3, 4] and [bad.id for bad in engine.tally.bad] == ["c1"]
    expected = library_logits(folder, [clips[row] for row in order], CLASSES).logits_per_video
    torch.testing.assert_close(engine.model.logit_scale * cosines, expected, rtol=1e-5, atol=1e-5)


def test_bf16_is_near(folder, clips):
    dataset: Any = Clips(clips, saved.FRAMES)
    full, _, _ = answered(folder, dataset, prompt_set(["{}"]), EngineSettings(batch_size=8))
    half, _, _ = answered(folder, dataset, prompt_set(["{}"]), EngineSettings(batch_size=8, precision="bf16"))
    assert half.dtype == torch.float32 and 0 < (full - half).abs().max() < 0.1


def test_what_it_cannot_be_asked_is_said(folder, clips):
    model = open_folder(folder)
    encoder = capability(model, ClipEncoder)
    assert encoder is not None and encoder.frames_per_clip == saved.FRAMES
    dataset: Any = Clips(clips, saved.FRAMES)
    assert lacks(model, dataset) is None
    assert comparison_fields(model, dataset) == {"frames_per_clip": saved.FRAMES, "clips": "encoded as a whole"}
    other: Any = Clips(clips, 8)
    assert "it takes clips of 4 frames, and the data gives 8. Set options: {frames: 4}" in (lacks(model, other) or "")
    single: Any = Clips(clips, 1)
    assert "it takes clips of 4 frames, and the data gives 1." in (lacks(model, single) or "")
    images: Any = single.clips  # no clips, but images
    assert "for the zero-shot class of clips" in (lacks(model, images) or "")
    with pytest.raises(UnsupportedError, match="for the zero-shot class of clips"):
        dual_encoder(model)


def test_a_model_of_images_averages_frames_as_before(tmp_path, clips):
    model = open_folder(saved.siglip(tmp_path))
    dataset: Any = Clips(clips, saved.FRAMES)
    assert lacks(model, dataset) is None and comparison_fields(model, dataset) == {"frames_per_clip": saved.FRAMES}


def test_it_keeps_every_promise(folder):
    model = open_folder(folder)
    found = check_model(model)
    assert len([promise for promise in found.kept if promise.startswith("ClipEncoder")]) == 3


def test_a_model_that_is_nothing_but_its_clip_encoder(folder, clips):
    """The protocols promise no scale of the model itself."""
    whole = open_folder(folder)
    model: Any = SimpleNamespace(
        card=whole.card,
        identity=whole.identity,
        device=whole.device,
        capabilities={"ClipEncoder": whole.capabilities["ClipEncoder"]},
    )
    dataset: Any = Clips(clips, saved.FRAMES)
    engine = FeatureEngine(model, EngineSettings(batch_size=8))
    classifier, batches = zero_shot(engine, dataset, range(len(clips)), prompt_set(["{}"]))
    logits = torch.cat([classifier.logits(batch.features) for batch in batches])
    assert classifier.scale == whole.logit_scale and logits.shape == (len(clips), len(CLASSES))


class SeesOthers:
    """A broken encoder: a clip's cosines depend on the clips beside it."""

    def __init__(self, right: Any) -> None:
        self._right = right

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def similarities(self, clips: torch.Tensor, prompts: torch.Tensor, num_classes: int) -> torch.Tensor:
        found = self._right.similarities(clips, prompts, num_classes)
        return found - found.mean(dim=0) / 2


class NoScale(SeesOthers):
    logit_scale = float("nan")


class OneForEachPrompt(SeesOthers):
    def similarities(self, clips: torch.Tensor, prompts: torch.Tensor, num_classes: int) -> torch.Tensor:
        return self._right.similarities(clips, prompts, len(prompts))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (SeesOthers, "a clip has the same cosines alone"),
        (OneForEachPrompt, "similarities gives a cosine"),
        (NoScale, "logit_scale is nan, not a number above 0"),
    ],
)
def test_broken_clip_encoders_are_caught(folder, broken, message):
    model = open_folder(folder)
    model.capabilities = {"ClipEncoder": broken(model.capabilities["ClipEncoder"])}
    with pytest.raises(ConformanceError, match=message):
        check_model(model)


def test_cards_state_what_the_family_can_do(folder):
    check_cards_of("xclip", "transformers", open_folder(folder))
