"""Adapters side by side: what is drawn of a comparison."""
