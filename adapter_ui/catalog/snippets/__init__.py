"""Programs to copy: how an adapter is loaded elsewhere."""
