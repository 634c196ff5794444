"""The kind of task ``retrieval``: which caption belongs to an image, and which image belongs to a caption?"""
