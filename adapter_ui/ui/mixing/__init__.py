"""Weighted mixes on the page and in the API."""
