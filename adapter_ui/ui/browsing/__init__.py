"""Finding adapters on the page: what is asked for, what was found, and how it is shown."""
