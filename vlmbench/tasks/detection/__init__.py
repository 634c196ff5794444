"""Zero-shot detection: which boxes hold which classes."""
