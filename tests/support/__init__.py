"""What tests share: generated tracks, small networks, a shell, a standalone cluster."""
