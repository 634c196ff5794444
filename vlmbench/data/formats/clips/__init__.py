"""Readers of clips: video files, folders of frames, and lists of clips. The sources of clips use them."""
