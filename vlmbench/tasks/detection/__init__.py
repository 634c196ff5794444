"""The detection kind of task: the model says where objects are in an image, and of which class each object is."""
