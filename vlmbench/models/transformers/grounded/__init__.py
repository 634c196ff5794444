"""Detectors of the transformers adapter that read the image and all labels together."""
