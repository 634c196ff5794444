"""ConSE: an ImageNet classifier joined to a sentence encoder."""
