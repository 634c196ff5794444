"""The formats of ``vlmbench export``, one file a format."""
