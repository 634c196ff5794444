"""Parts that adapters share: reading weights, patch features and text towers."""
