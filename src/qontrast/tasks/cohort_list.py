"""The catalogue of public cohorts, as a table."""

from qontrast.cohorts.catalogue import COHORTS
from qontrast.cohorts.sources import Cohort
from qontrast.tasks.speaking import say, say_table


def list_cohorts(*, details: bool = False) -> None:
    """Print every cohort with its licence, its size and whether it can be fetched; ``details`` adds the rest."""
    if not details:
        rows = [(name, c.holds, _size(c), c.licence, _fetched(c)) for name, c in COHORTS.items()]
        say_table(("name", "holds", "about", "licence", "data get"), rows)
        say("Any other BIDS folder works as it is. More of each: qontrast data list --details")
        return
    for name, c in COHORTS.items():
        say(f"{name}: {c.title}")
        say(f"  holds {c.holds}; {_size(c)}; licence: {c.licence}; {_fetched(c)}")
        for site in c.sites:
            protocol = f"; {site.protocol}" if site.protocol else ""
            say(f"  scanned at {site.name or 'one site'}: {site.scanner}, {site.field_strength:g} T{protocol}")
        for fact in (*c.facts, *((c.ask,) if c.ask else ())):
            say(f"  {fact}")
        say(f"  cite {c.citation}; {c.page}")


def _size(cohort: Cohort) -> str:
    if not cohort.gigabytes:
        return ""
    return f"{cohort.gigabytes:g} GB" if cohort.gigabytes >= 1 else f"{1000 * cohort.gigabytes:g} MB"


def _fetched(cohort: Cohort) -> str:
    return "yes" if cohort.sources else "on request"
