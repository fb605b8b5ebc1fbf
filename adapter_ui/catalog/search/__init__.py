"""Searching: the Hub's lists, the local index and this machine's adapters, as one list in pages."""
