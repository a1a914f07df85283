"""Measures how good a model is, and compares models."""
