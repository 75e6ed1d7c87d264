"""Techniques that edit activations or parameters in the forward pass, or add structure."""
