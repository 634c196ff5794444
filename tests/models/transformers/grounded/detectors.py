"""Small seeded detectors that read image and labels together, and the library's own answers of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch
import transformers
from models.checkpoints import CLIP_TEXT, save, small_clip_tokenizer

from vlmbench.models.base import Detections, Detector, Model, capability

WORDS = [
    "cat",
    "dog",
    "red",
    "bus",
    "tree",
    "grass",
    "sky",
    "road",
    "a",
    "photo",
    "of",
    "dr",
    "pepper",
    "teddy",
    "bear",
]
SWIN = {
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 1, 2, 2],
    "window_size": 4,
    "out_indices": [2, 3, 4],
}
PIXELS = 120
"""The longest side of :func:`pictures`."""
SEEN = 64
"""The shortest edge of the tiny models' images."""


def bert_tokenizer() -> Any:
    """BERT's, with the numbers that the library's Grounding DINO takes for granted: 101, 102, 1012 and 1029."""
    vocabulary = {f"[unused{number}]": number for number in range(1060)}
    special = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012, "?": 1029}
    for token, number in {**special, **{word: 1030 + place for place, word in enumerate(WORDS)}}.items():
        del vocabulary[f"[unused{number}]"]
        vocabulary[token] = number
    return transformers.BertTokenizer(vocab=dict(sorted(vocabulary.items(), key=lambda item: item[1])))


def grounding_dino(folder: Path, family: str = "GroundingDino", **changes: Any) -> Path:
    text = transformers.BertConfig(
        vocab_size=1060, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    config = getattr(transformers, f"{family}Config")(
        **{
            "backbone_config": transformers.SwinConfig(image_size=SEEN, **SWIN),
            "text_config": text,
            "d_model": 64,
            "encoder_layers": 1,
            "decoder_layers": 2,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "num_queries": 30,
            **changes,
        }
    )
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": SEEN, "longest_edge": 100})
    network = getattr(transformers, f"{family}ForObjectDetection")(config)
    # Smaller text features, so that sigmoids are far from 0 and 1 and scores tell labels apart.
    network.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after.weight.data.fill_(0.1)
    return save(folder, network, bert_tokenizer(), images, std=0.15)


def pictures() -> list[PIL.Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(120, 90), (64, 64), (50, 90), (120, 90)]
    return [PIL.Image.fromarray(random.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def detector(model: Model) -> Detector:
    found = capability(model, Detector)
    assert found is not None
    return found


def assert_same(found: list[Detections], expected: list[Detections], atol: float = 1e-5) -> None:
    """Equal scores, labels and boxes, in pixels of images 120 wide."""
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.scores, theirs.scores, rtol=0, atol=atol)
        torch.testing.assert_close(ours.labels, theirs.labels, rtol=0, atol=0)
        torch.testing.assert_close(ours.boxes, theirs.boxes, rtol=0, atol=120 * atol)
        assert ours.boxes.dtype == ours.scores.dtype == torch.float32 and ours.labels.dtype == torch.int64


def omdet(folder: Path, **changes: Any) -> Path:
    text = transformers.CLIPTextConfig(**CLIP_TEXT, max_position_embeddings=77)
    config = transformers.OmDetTurboConfig(
        **{
            "backbone_config": transformers.SwinConfig(image_size=SEEN, **SWIN),
            "text_config": text,
            "image_size": SEEN,
            "apply_layernorm_after_vision_backbone": False,
            "text_projection_in_dim": 32,
            "text_projection_out_dim": 32,
            "class_embed_dim": 32,
            "task_encoder_hidden_dim": 32,
            "encoder_hidden_dim": 16,
            "decoder_hidden_dim": 16,
            "vision_features_channels": [16, 16, 16],
            "encoder_in_channels": [16, 32, 64],
            "encoder_dim_feedforward": 32,
            "encoder_attention_heads": 2,
            "decoder_num_heads": 2,
            "decoder_num_layers": 2,
            "decoder_dim_feedforward": 32,
            "num_queries": 30,
            **changes,
        }
    )
    network = transformers.OmDetTurboForObjectDetection(config)
    images = transformers.DetrImageProcessor(size={"height": SEEN, "width": SEEN}, do_pad=False)
    return save(folder, network, small_clip_tokenizer(), images)


def florence(folder: Path, **changes: Any) -> Path:
    """Whole words; the image token and 1,000 places are special, as in the published tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    places = [f"<loc_{place}>" for place in range(1000)]
    words = ["<s>", "<pad>", "</s>", "<unk>", *WORDS, "Locate", "in", "the", "image", "."]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Fuse()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        model_input_names=["input_ids", "attention_mask"],
    )
    fast.add_tokens(places, special_tokens=True)
    vocabulary = len(fast)
    text = transformers.BartConfig(
        vocab_size=vocabulary,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_position_embeddings=20,
        forced_bos_token_id=0,
    )
    vision = {
        "depths": [1, 1],
        "patch_size": [7, 3],
        "patch_stride": [4, 2],
        "patch_padding": [3, 1],
        "patch_prenorm": [False, True],
        "embed_dim": [8, 16],
        "num_heads": [1, 2],
        "num_groups": [1, 2],
        "window_size": 4,
        "projection_dim": 32,
    }
    config = transformers.Florence2Config(
        vision_config=vision, text_config=text.to_dict(), image_token_id=fast.image_token_id, **changes
    )
    network = transformers.Florence2ForConditionalGeneration(config)
    network.generation_config.num_beams = 3
    network.generation_config.no_repeat_ngram_size = 3
    images = transformers.CLIPImageProcessor(size={"height": 16, "width": 16}, do_center_crop=False, image_seq_length=5)
    processor = transformers.Florence2Processor(
        images, fast, post_processor_config={"description_with_bboxes_or_polygons": {}}
    )
    save(folder, network, fast, images)
    processor.save_pretrained(folder)
    return folder
