"""Files that say which objects are in an image and where: VOC's XML, YOLO's text, LabelMe's JSON, and their folders."""
