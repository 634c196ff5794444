"""Which captions an image has, as files of many kinds say it."""
