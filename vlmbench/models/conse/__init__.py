"""The adapter of ConSE, which joins an ImageNet classifier to a sentence encoder. The card ``conse`` uses it."""
