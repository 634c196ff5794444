"""Transfer methods, one file each. Their names are the values of ``vlmbench run --transfer``.

A folder has those that learn from features, those that learn prompts through the text tower, and those that train
through the image tower.
"""
