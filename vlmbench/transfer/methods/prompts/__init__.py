"""Transfer methods that learn prompts through the text tower, one a module."""
