"""Two to four adapters beside each other."""
