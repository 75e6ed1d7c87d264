"""Techniques that wrap the gradient function or change the gradients."""
