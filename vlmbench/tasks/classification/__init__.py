"""Zero-shot classification with CLIP's prompt-ensemble head (Radford et al. 2021, section 3.1.4)."""
