"""Figures as people read them: sizes, counts, shares, dates, durations. Knows no HTML and no Gradio."""

from __future__ import annotations

from datetime import UTC, datetime

UNKNOWN = "–"
UNITS = ("B", "kB", "MB", "GB", "TB")


def size(count: float | None) -> str:
    """Bytes in powers of 1000, as file listings on the Hub count them: 1_848_872 is "1.8 MB"."""
    if count is None:
        return UNKNOWN
    value, unit = float(count), 0
    while round(value, 1) >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.0f} {UNITS[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {UNITS[unit]}"


def count(number: float | None) -> str:
    """A count in at most four characters: 940, 9.8k, 48k, 1.8M."""
    if number is None:
        return UNKNOWN
    value, unit = float(number), 0
    while value >= 999.5 and unit < 3:
        value, unit = value / 1000, unit + 1
    digits = f"{value:.1f}".removesuffix(".0") if unit and value < 9.95 else f"{value:.0f}"
    return digits + ("", "k", "M", "B")[unit]


def parameters(number: int | None) -> str:
    """A model's size in parameters: 460.8k, 134.5M, 8.0B."""
    if number is None:
        return UNKNOWN
    value, unit = float(number), 0
    while value >= 999.5 and unit < 3:
        value, unit = value / 1000, unit + 1
    return f"{value:.1f}{('', 'k', 'M', 'B')[unit]}" if unit else str(number)


def share(ratio: float | None) -> str:
    """A share of one as per cent, with the digits that matter: 0.34 %, 4.8 %, 62 %."""
    if ratio is None:
        return UNKNOWN
    percent = ratio * 100
    if 0 < percent < 0.01:
        return "< 0.01 %"
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def day(timestamp: str | None, now: datetime | None = None) -> str:
    """A date as a distance while it is near, else as a month: today, 3 d ago, 5 wk ago, Oct 2025."""
    moment = read_timestamp(timestamp)
    if moment is None:
        return UNKNOWN
    days = ((now or datetime.now(UTC)) - moment).days
    if days < 1:
        return "today"
    if days < 14:
        return f"{days} d ago"
    return f"{days // 7} wk ago" if days < 70 else f"{moment:%b %Y}"


def ago(timestamp: str | None, now: datetime | None = None) -> str:
    """How long ago a moment was: 40 s ago, 12 min ago, 3 h ago, 2 d ago, and from two weeks on as `day`."""
    moment = read_timestamp(timestamp)
    if moment is None:
        return UNKNOWN
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    if seconds >= 86_400:
        return day(timestamp, now)
    for length, unit in ((3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def read_timestamp(timestamp: str | None) -> datetime | None:
    if not timestamp:
        return None
    try:
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def duration(seconds: float | None) -> str:
    """A length of time in at most two units: 37 ms, 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.095:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def short_name(repo_id: str) -> tuple[str, str]:
    """A repository's owner and name apart: ("org", "name"); the owner is "" when there is none."""
    owner, slash, name = repo_id.partition("/")
    return (owner, name) if slash else ("", owner)
