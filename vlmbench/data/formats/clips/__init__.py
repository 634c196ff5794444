"""Clips: video files, folders of their frames, and lists of them."""
