"""The model bundle: its manifest, files and security checks, and the registry of models."""
