"""Zero-shot cross-modal retrieval: which caption belongs to an image, which image to a caption."""
