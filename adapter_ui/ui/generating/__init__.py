"""Asking a model on the page: the conversation, how it is sampled, and the views of other tasks."""
