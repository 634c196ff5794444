"""Masks on disk: where they lie, which image each is of, what their values mean."""
