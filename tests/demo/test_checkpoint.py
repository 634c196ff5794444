"""The shipped checkpoint: small, loadable by plain open_clip, and far better than chance on what it never saw."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from demo_clip.tokenizer import PAD_ID  # noqa: E402
from demo_clip.train import CONTEXT_LENGTH, PREPROCESS_CONFIG, VOCAB_SIZE  # noqa: E402

from vlmbench.demo.faults import CHECKPOINT  # noqa: E402
from vlmbench.demo.sets import DEMO_SETS, DemoSet  # noqa: E402
from vlmbench.demo.spec import SHAPES  # noqa: E402

_LOCATION = f"local-dir:{CHECKPOINT}"
_SAMPLES = 200


class _ZeroShot:
    """CLIP's prompt ensemble, written out with open_clip alone."""

    def __init__(self) -> None:
        self.model, self.preprocess = open_clip.create_model_from_pretrained(_LOCATION)
        self.tokenizer = open_clip.get_tokenizer(_LOCATION)
        self.model.eval()

    @torch.inference_mode()
    def scores(self, loaded: DemoSet) -> NDArray[np.float32]:
        """(images, classes) cosine similarities of the set's first samples."""
        head = []
        for name in loaded.classes:
            texts = self.model.encode_text(self.tokenizer([t.format(name) for t in loaded.templates]), normalize=True)
            head.append(torch.nn.functional.normalize(texts.mean(0), dim=0))
        images = [Image.open(io.BytesIO(sample.image)) for sample in loaded.samples[:_SAMPLES]]
        pixels = torch.stack([self.preprocess(image) for image in images])
        result: NDArray[np.float32] = (self.model.encode_image(pixels, normalize=True) @ torch.stack(head).T).numpy()
        return result


@pytest.fixture(scope="module")
def zero_shot() -> _ZeroShot:
    return _ZeroShot()


def test_everything_together_is_under_four_megabytes() -> None:
    assert sum(path.stat().st_size for path in CHECKPOINT.iterdir()) < 4_000_000


def test_configuration_is_the_recipes() -> None:
    config = json.loads((CHECKPOINT / "open_clip_config.json").read_text(encoding="utf-8"))
    assert config["preprocess_cfg"] == PREPROCESS_CONFIG
    assert config["model_cfg"]["text_cfg"]["vocab_size"] == VOCAB_SIZE


def test_tokens_are_padded_and_end_at_the_highest_id(zero_shot: _ZeroShot) -> None:
    tokens = zero_shot.tokenizer(["a photo of a red circle", "any other text, even 雪", "word " * 99])
    assert tokens.shape == (3, CONTEXT_LENGTH)
    assert (tokens.max(dim=1).values == VOCAB_SIZE - 1).all()
    assert ((tokens == VOCAB_SIZE - 1).sum(dim=1) == 1).all()
    assert tokens[0, -1] == PAD_ID


def test_unseen_combinations_are_named_far_above_chance(zero_shot: _ZeroShot) -> None:
    loaded = DEMO_SETS["scenes"]()
    predicted = zero_shot.scores(loaded).argmax(axis=1)
    targets = np.array([sample.target for sample in loaded.samples[:_SAMPLES]])
    assert (predicted == targets).mean() > 0.2  # chance is 0.0125
    assert (predicted // len(SHAPES) == targets // len(SHAPES)).mean() > 0.9, "colours"


def test_digits_are_read_above_chance(zero_shot: _ZeroShot) -> None:
    pytest.importorskip("sklearn")
    loaded = DEMO_SETS["digits"]()
    rows = np.argsort([sample.id for sample in loaded.samples])[:_SAMPLES]  # the set is sorted by class
    mixed = DemoSet(
        **{**vars(loaded), "samples": [loaded.samples[row] for row in rows]},
    )
    predicted = zero_shot.scores(mixed).argmax(axis=1)
    assert (predicted == [sample.target for sample in mixed.samples]).mean() > 0.5
