"""Dataset repositories of a hub: finds what they hold, and downloads it.

``vlmbench fetch``, runs and the source ``hub`` use this folder.
"""
