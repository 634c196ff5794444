"""Checks of single capabilities of a model, such as features of patches. The checks of models use them."""
