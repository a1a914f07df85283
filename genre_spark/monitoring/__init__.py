"""Drift of a catalogue, metrics for Prometheus, logs as JSON."""
