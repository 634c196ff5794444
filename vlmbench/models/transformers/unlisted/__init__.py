"""Model types of transformers that no family lists: what they are, and whether vlmbench can call them."""
