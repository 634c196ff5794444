"""Train the checkpoint that ``vlmbench demo`` evaluates: ``python -m demo_clip.train`` in ``docs/``.

A CLIP of a small ResNet and a small transformer learns from scenes rendered as it goes, by the symmetric contrastive
loss of Radford et al. 2021 (https://arxiv.org/abs/2103.00020) with exact positives: a caption counts for every image of
the batch it is true of, and only images it is false of are its negatives. The recipe and measured results are in
README.md beside this file. The output folder is a plain open_clip one:
``open_clip.create_model_from_pretrained("local-dir:FOLDER")``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import open_clip
import torch
from demo_clip.batches import Batch, TrainingBatches
from demo_clip.tokenizer import END, PAD_ID, save_tokenizer, train_tokenizer
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

IMAGE_SIZE = 64
CONTEXT_LENGTH = 32
VOCAB_SIZE = 704
TOKENIZER_CAPTIONS = 20_000
BATCH_SIZE = 64
CAPTIONS_PER_IMAGE = 2
LEARNING_RATE = 1.5e-3
WEIGHT_DECAY = 0.05
WARMUP_STEPS = 100
SAVE_EVERY = 200
MAX_LOGIT_SCALE = math.log(100)

MODEL_CONFIG: dict[str, Any] = {
    "embed_dim": 128,
    "vision_cfg": {
        "image_size": IMAGE_SIZE,
        "layers": [1, 1, 1, 1],
        "width": 16,
        "head_width": 32,
    },
    "text_cfg": {
        "context_length": CONTEXT_LENGTH,
        "vocab_size": VOCAB_SIZE,
        "hf_tokenizer_name": "vlmbench-demo",
        "width": 128,
        "heads": 4,
        "layers": 2,
        "pad_id": PAD_ID,
    },
}
PREPROCESS_CONFIG: dict[str, Any] = {
    "size": [IMAGE_SIZE, IMAGE_SIZE],
    "mode": "RGB",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def train(output: Path, *, steps: int, seed: int, batch_size: int = BATCH_SIZE, workers: int = 1) -> float:
    """Train from scratch and write an open_clip folder.

    The same steps, seed, batch size and number of torch threads give the same weights on one machine.

    Returns:
        The mean loss of the last tenth of the steps.
    """
    torch.manual_seed(seed)
    tokenizer = train_tokenizer(VOCAB_SIZE, TOKENIZER_CAPTIONS, seed)
    model = open_clip.CLIP(**MODEL_CONFIG)
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate_factor(step, steps))
    batches = TrainingBatches(_batch_tokenizer(tokenizer), steps, batch_size, CAPTIONS_PER_IMAGE, IMAGE_SIZE, seed)
    loader: Any = torch.utils.data.DataLoader(
        batches,  # type: ignore[arg-type]  # a sequence is all that a map-style data set need be
        batch_size=None,
        collate_fn=_unchanged,  # type: ignore[arg-type]  # without batching it gets one item
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    losses: list[float] = []
    started = time.monotonic()
    for step, batch in enumerate(loader):
        loss = batch_loss(model, batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0.0, MAX_LOGIT_SCALE)
        losses.append(loss.item())
        if (step + 1) % 50 == 0:
            recent = sum(losses[-50:]) / 50
            print(
                f"step {step + 1}/{steps} loss {recent:.3f} {time.monotonic() - started:.0f} s",
                file=sys.stderr,
            )
        if (step + 1) % SAVE_EVERY == 0:
            save_checkpoint(model, tokenizer, output)  # an interrupted run leaves something to look at
    save_checkpoint(model, tokenizer, output)
    tail = losses[-max(1, steps // 10) :]
    return sum(tail) / len(tail)


def contrastive_loss(images: Tensor, texts: Tensor, truth: Tensor, scale: Tensor) -> Tensor:
    """InfoNCE in both directions over every true pair, with only false pairs as negatives.

    Args:
        images: (B, D), unit length.
        texts: (T, D), unit length.
        truth: (T, B) bool; each row and each column has a true entry.
        scale: the multiplier of cosine similarities.
    """
    logits = scale * texts @ images.T
    return (_one_way(logits, truth) + _one_way(logits.T, truth.T)) / 2


def batch_loss(model: open_clip.CLIP, batch: Batch) -> Tensor:
    """The contrastive loss of one batch."""
    pixels, captions, truth = (torch.from_numpy(part) for part in (batch.pixels, batch.captions, batch.truth))
    images, texts = image_features(model, pixels), text_features(model, captions)
    return contrastive_loss(images, texts, truth, model.logit_scale.exp())


def _one_way(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean over rows of the mean InfoNCE of their true entries, each against the row's false entries."""
    # A caption true of the whole batch has no negatives, and a row of -inf alone would make its gradient NaN.
    negatives = torch.logsumexp(logits.masked_fill(truth, -1e4), dim=1)
    losses = functional.softplus(negatives[:, None] - logits)
    weights = truth.float()
    return ((losses * weights).sum(1) / weights.sum(1)).mean()


def image_features(model: open_clip.CLIP, pixels: Tensor) -> Tensor:
    """Unit-length features (B, D) of uint8 pixels (B, H, W, 3)."""
    mean, std = PREPROCESS_CONFIG["mean"][0], PREPROCESS_CONFIG["std"][0]
    features: Tensor = model.encode_image((pixels.permute(0, 3, 1, 2).float() / 255.0 - mean) / std, normalize=True)
    return features


def text_features(model: open_clip.CLIP, tokens: Tensor) -> Tensor:
    """Unit-length features (T, D) of tokens (T, L), as ``model.encode_text`` gives them but without the padding.

    Under a causal mask nothing after the end token can reach it, so cutting at the longest caption is exact.
    """
    length = int(tokens.argmax(dim=1).max()) + 1
    tokens = tokens[:, :length]
    hidden = model.token_embedding(tokens) + model.positional_embedding[:length]
    hidden = model.ln_final(model.transformer(hidden, attn_mask=model.attn_mask[:length, :length]))
    pooled = hidden[torch.arange(len(tokens)), tokens.argmax(dim=1)]
    return functional.normalize(pooled @ model.text_projection, dim=-1)


def save_checkpoint(model: torch.nn.Module, tokenizer: Tokenizer, folder: Path) -> None:
    """Write configuration, half-precision weights and tokenizer, as open_clip's ``local-dir:`` loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": MODEL_CONFIG, "preprocess_cfg": PREPROCESS_CONFIG}
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.state_dict().items()
    }
    save_file(weights, str(folder / "open_clip_model.safetensors"))
    save_tokenizer(tokenizer, folder, CONTEXT_LENGTH)


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m demo_clip.train", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=2300, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="torch threads (1)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    started = time.monotonic()
    loss = train(options.output, steps=options.steps, seed=options.seed)
    print(f"final loss {loss:.3f} after {time.monotonic() - started:.0f} s, written to {options.output}")


def _unchanged(batch: Batch) -> Batch:
    """Leave a batch as it is: the loader's default would take the data class apart."""
    return batch


def _batch_tokenizer(tokenizer: Tokenizer) -> Any:
    tokenizer.enable_truncation(CONTEXT_LENGTH)
    tokenizer.enable_padding(pad_id=PAD_ID, pad_token="<pad>", length=CONTEXT_LENGTH)
    assert tokenizer.token_to_id(END) == VOCAB_SIZE - 1, "the end token must have the highest id"

    def tokenize(texts: list[str]) -> NDArray[np.int64]:
        return np.array([encoding.ids for encoding in tokenizer.encode_batch(texts)], dtype=np.int64)

    return tokenize


def _parameter_groups(model: torch.nn.Module) -> list[dict[str, Any]]:
    """Weight decay on matrices only, as CLIP does."""
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    others = [p for p in model.parameters() if p.ndim < 2]
    return [{"params": matrices, "weight_decay": WEIGHT_DECAY}, {"params": others, "weight_decay": 0.0}]


def learning_rate_factor(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero."""
    warmup = min(WARMUP_STEPS, max(1, steps // 10))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


if __name__ == "__main__":
    main()
