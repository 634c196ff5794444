"""Models that the caller holds in memory: modules in training, and objects with the protocol."""
