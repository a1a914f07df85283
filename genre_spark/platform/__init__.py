"""Spark, Java, file systems, locks, progress and packing: what the rest runs on."""
