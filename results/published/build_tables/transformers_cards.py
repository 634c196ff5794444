"""Model cards of checkpoints that the transformers library documents, beside those of the survey's methods."""

from __future__ import annotations

CARDS: tuple[dict[str, object], ...] = (
    {
        "name": "align-base",
        "spec": "kakaobrain/align-base",
        "title": "ALIGN-Base (Kakao Brain)",
        "method": "align",
        "objective": "contrastive",
        "framework": "two-tower",
        "image_encoder": "EfficientNet-B7",
        "text_encoder": "BERT-Base",
        "training_data": "COYO-700M",
        "data_size": "700M",
        "notes": "A reproduction; the survey's ALIGN is Google's, trained on 1.8B pairs.",
    },
    {
        "name": "chinese-clip-vit-b-16",
        "spec": "OFA-Sys/chinese-clip-vit-base-patch16",
        "title": "Chinese CLIP, ViT-B/16",
        "method": "chinese-clip",
        "objective": "contrastive",
        "framework": "two-tower",
        "image_encoder": "ViT-B/16",
        "text_encoder": "RoBERTa (Chinese)",
        "notes": "Its texts are Chinese: the English prompts of our task cards are no fair question.",
    },
    {
        "name": "clipseg-rd64-refined",
        "spec": "CIDAS/clipseg-rd64-refined",
        "title": "CLIPSeg, rd64, refined",
        "framework": "two-tower",
        "image_encoder": "ViT-B/16",
        "text_encoder": "Transformer",
        "notes": "CLIP with a decoder for masks, trained on masks of phrases; of the survey's Table 5.",
    },
    {
        "name": "metaclip2-vit-h-14-quickgelu-worldwide",
        "spec": "facebook/metaclip-2-worldwide-huge-quickgelu",
        "title": "MetaCLIP 2 worldwide, ViT-H/14",
        "objective": "contrastive",
        "framework": "two-tower",
        "image_encoder": "ViT-H/14",
        "text_encoder": "Transformer",
    },
    {
        "name": "owlvit-base-patch32",
        "spec": "google/owlvit-base-patch32",
        "title": "OWL-ViT, ViT-B/32",
        "framework": "two-tower",
        "image_encoder": "ViT-B/32",
        "text_encoder": "Transformer",
        "notes": "An open-vocabulary detector, fine-tuned with boxes; of the survey's Table 5.",
    },
    {
        "name": "owlvit-base-patch16",
        "spec": "google/owlvit-base-patch16",
        "title": "OWL-ViT, ViT-B/16",
        "framework": "two-tower",
        "image_encoder": "ViT-B/16",
        "text_encoder": "Transformer",
        "notes": "An open-vocabulary detector, fine-tuned with boxes; of the survey's Table 5.",
    },
    {
        "name": "owlv2-base-patch16",
        "spec": "google/owlv2-base-patch16",
        "title": "OWLv2, ViT-B/16, self-trained",
        "framework": "two-tower",
        "image_encoder": "ViT-B/16",
        "text_encoder": "Transformer",
        "notes": "An open-vocabulary detector.",
    },
    {
        "name": "owlv2-base-patch16-ensemble",
        "spec": "google/owlv2-base-patch16-ensemble",
        "title": "OWLv2, ViT-B/16, ensemble",
        "framework": "two-tower",
        "image_encoder": "ViT-B/16",
        "text_encoder": "Transformer",
        "notes": "An open-vocabulary detector.",
    },
)


def transformers_cards() -> list[dict[str, object]]:
    """The cards, with their adapter."""
    return [{"name": card["name"], "adapter": "transformers", **card} for card in CARDS]
