"""Writing text: rows of one base decoded together, each with its own adapter, sampling, seed and end."""
