"""Dual encoders as ONNX graphs, the form in which models are deployed."""
