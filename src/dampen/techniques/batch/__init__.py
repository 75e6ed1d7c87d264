"""Techniques that change the batch: inputs, targets and example weights together."""
