"""Scaling, group statistics and the input tensor of tracks."""
