"""What decides whether an adapter is worth loading: rules from evidence to findings."""
