"""Adapter UI: find, understand, load, try and tune PEFT adapters."""

__version__ = "0.1.0"
