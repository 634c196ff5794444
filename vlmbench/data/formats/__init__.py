"""Readers of dataset files: folders, annotation files, shards, images, masks and videos. Sources use them."""
