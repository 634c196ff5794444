"""Readers of annotation files with boxes: VOC's XML, YOLO's text and LabelMe's JSON, and folders of them.

The source :mod:`vlmbench.data.sources.coco` uses them (``boxes:``, ``coco:`` and ``detection:``).
"""
