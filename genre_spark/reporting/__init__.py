"""Pages, pictures and model cards."""
