"""What adapters share: reading weights, patch features, text towers."""
