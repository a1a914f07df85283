"""Discovers synthetic genres."""
