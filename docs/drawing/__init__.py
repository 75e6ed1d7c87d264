"""Drawings of what a technique's hooks did, by the place of a training step."""
