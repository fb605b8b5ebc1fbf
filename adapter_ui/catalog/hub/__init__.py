"""The Hub over HTTP: requests with bounds, its errors as ours, its rows as summaries."""
