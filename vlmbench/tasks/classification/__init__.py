"""The kind of task ``classification``: which class, or which classes, does an image show?

Zero-shot answers use CLIP's prompt-ensemble head (Radford et al. 2021, section 3.1.4).
"""
