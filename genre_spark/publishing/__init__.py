"""Publishes the labelled catalogue, whole or not at all."""
