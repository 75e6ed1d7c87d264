"""Techniques that are added to the objective, wrap it, or replace the criterion."""
