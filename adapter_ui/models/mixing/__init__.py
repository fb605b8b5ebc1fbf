"""Combine several LoRAs into one, on their own tensors; `python -m adapter_ui.models.mixing` runs it."""
