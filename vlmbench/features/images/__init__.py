"""From encoded images to features: read, decode, prepare, forward."""
