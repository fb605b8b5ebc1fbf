"""Files on this machine: downloads, the embedded base, the adapters that lie here, and the cache."""
