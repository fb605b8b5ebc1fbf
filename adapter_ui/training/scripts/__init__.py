"""A run as a Python script: `script` puts it together from the parts that the other modules hold."""
