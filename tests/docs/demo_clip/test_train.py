"""Training: the loss against cross entropy and by hand, and a short run that is seeded and loads in plain open_clip."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from demo_clip import train  # noqa: E402


def _unit(*rows: list[float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def test_loss_is_cross_entropy_where_each_caption_fits_one_image() -> None:
    generator = torch.Generator().manual_seed(0)
    images, texts = (torch.nn.functional.normalize(torch.randn(5, 8, generator=generator), dim=-1) for _ in range(2))
    scale, own = torch.tensor(7.0), torch.arange(5)
    logits = scale * texts @ images.T
    expected = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2
    loss = train.contrastive_loss(images, texts, torch.eye(5, dtype=torch.bool), scale)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_true_captions_of_other_images_are_no_negatives() -> None:
    images, texts = _unit([1.0, 0.0], [0.0, 1.0]), _unit([1.0, 0.0], [0.0, 1.0], [1.0, 1.0])
    truth = torch.tensor([[True, False], [False, True], [True, True]])
    # By hand, scale 2: pairs on the axes have 2 against 0; the diagonal caption has no negative image, and as a
    # caption of either image sqrt(2) against 0.
    one, other = math.log1p(math.exp(-2.0)), math.log1p(math.exp(-math.sqrt(2)))
    expected = ((one + one + 0.0) / 3 + (one + other) / 2) / 2
    assert train.contrastive_loss(images, texts, truth, torch.tensor(2.0)).item() == pytest.approx(expected, rel=1e-5)


def test_a_caption_true_of_every_image_keeps_gradients_finite() -> None:
    texts = _unit([1.0, 0.0], [0.0, 1.0]).requires_grad_()
    truth = torch.tensor([[True, True], [True, True]])
    train.contrastive_loss(_unit([1.0, 0.0], [0.6, 0.8]), texts, truth, torch.tensor(10.0)).backward()
    assert texts.grad is not None and texts.grad.isfinite().all()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folders = [tmp_path_factory.mktemp("run") for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "TOKENIZER_CAPTIONS", 4000)  # enough for the vocabulary, and faster
        for folder in folders:
            train.train(folder, steps=3, seed=5, batch_size=6, workers=0)
    return folders


def test_a_run_is_seeded(runs: list[Path]) -> None:
    names = {path.name for path in runs[0].iterdir()}
    assert {"open_clip_config.json", "open_clip_model.safetensors", "tokenizer.json"} <= names
    for name in names:
        assert (runs[0] / name).read_bytes() == (runs[1] / name).read_bytes(), name


def test_a_run_loads_in_open_clip_and_features_agree(runs: list[Path]) -> None:
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{runs[0]}")
    tokens = open_clip.get_tokenizer(f"local-dir:{runs[0]}")(["a red star", "the number 7", "two large objects"])
    model.eval()
    with torch.inference_mode():
        # The trimmed text pass of training is exactly the full one.
        assert torch.allclose(train.text_features(model, tokens), model.encode_text(tokens, normalize=True), atol=1e-6)
        pixels = torch.full((2, 64, 64, 3), 128, dtype=torch.uint8)
        assert train.image_features(model, pixels).norm(dim=-1).tolist() == pytest.approx([1.0, 1.0])


def test_learning_rate_warms_up_and_ends_at_zero() -> None:
    factors = [train.learning_rate_factor(step, 1000) for step in range(1001)]
    assert factors[0] == pytest.approx(1 / train.WARMUP_STEPS)
    assert max(factors) == factors[train.WARMUP_STEPS] == 1.0
    assert factors[1000] == pytest.approx(0.0)
