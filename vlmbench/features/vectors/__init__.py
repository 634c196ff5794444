"""Features of models that give an image and a text several vectors each: how they travel, are kept, and compared."""
