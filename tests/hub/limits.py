"""Rate limits: the headers on every answer of the Hub, and real refusals for the buckets a test limits."""

import time
from dataclasses import dataclass

WINDOW_SECONDS = 300
ANONYMOUS_QUOTA = {"api": 500, "resolvers": 3000, "pages": 100}
USER_QUOTA = {"api": 1000, "resolvers": 5000, "pages": 200}


@dataclass
class _Window:
    started: float
    used: int = 0


class RateLimits:
    """Counts per bucket and token. Only buckets named in `enforce` are ever refused."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str | None], _Window] = {}
        self._enforced: dict[str, tuple[int, int]] = {}

    def enforce(self, bucket: str, quota: int, window_seconds: int = WINDOW_SECONDS) -> None:
        self._enforced[bucket] = (quota, window_seconds)
        self._windows.clear()

    def clear(self) -> None:
        self._enforced.clear()
        self._windows.clear()

    def spend(self, bucket: str, token: str | None) -> tuple[bool, dict[str, str]]:
        """Whether the request may pass, and the headers that tell the client where it stands."""
        quotas = USER_QUOTA if token else ANONYMOUS_QUOTA
        quota, seconds = self._enforced.get(bucket, (quotas[bucket], WINDOW_SECONDS))
        now = time.monotonic()
        window = self._windows.get((bucket, token))
        if window is None or now - window.started >= seconds:
            window = self._windows[bucket, token] = _Window(now)
        window.used += 1
        allowed = bucket not in self._enforced or window.used <= quota
        # A quota that is not enforced never shows 0 left: clients take that as the reason of a 429.
        left = max(quota - window.used, 0 if bucket in self._enforced else 1)
        reset = max(1, round(window.started + seconds - now))
        return allowed, ratelimit_headers(bucket, left, reset, quota, seconds)


def ratelimit_headers(
    bucket: str, left: int, reset: int, quota: int | None = None, window: int = WINDOW_SECONDS
) -> dict[str, str]:
    quota = ANONYMOUS_QUOTA[bucket] if quota is None else quota
    return {
        "RateLimit": f'"{bucket}";r={left};t={reset}',
        "RateLimit-Policy": f'"fixed window";"{bucket}";q={quota};w={window}',
    }


def bucket_of(path: str) -> str:
    if path.startswith("/api/resolve-cache/") or "/resolve/" in path:
        return "resolvers"
    return "api" if path.startswith("/api/") or ".git/" in path else "pages"
