"""Techniques that change the weights after the optimizer, or choose which weights predict."""
