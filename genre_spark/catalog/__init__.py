"""Turns a table into validated tracks and a quarantine, and describes a stranger's table."""
