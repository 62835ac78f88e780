"""The report as text for a terminal. Imports the store's figures only."""

from __future__ import annotations

from cds_service.store.acceptance import Report, Share


def as_text(report: Report, where: str) -> str:
    """A table of rules, under each the reasons of its overrides; every share with its 95 % confidence interval."""
    since = f"since {report.since:%Y-%m-%d %H:%M} UTC" if report.since else "from the beginning"
    lines = [f"{where}, {since}", ""]
    names = [f"{one.decision} {one.rule} {one.version}" for one in report.rules]
    width = max(map(len, names), default=0)
    if names:
        lines.append(f"{'rule and content version':{width}}  {'shown':>7}  {'answered':>8}  accepted")
    for name, one in zip(names, report.rules, strict=True):
        lines.append(f"{name:{width}}  {one.shown:>7}  {one.accepted.of:>8}  {_share(one.accepted)}")
        for reason in one.reasons:
            said = reason.display or reason.code or "no reason given"
            lines.append(f"{'':{width}}    overridden: {said}, {_share(reason.share)}")
    if not names:
        lines.append("no card was shown and no feedback came")
    if report.unmatched:
        lines += ["", f"{report.unmatched} cards with feedback are not known to be ours"]
    return "\n".join(lines)


def _share(share: Share) -> str:
    if not share.of:
        return "-"
    return f"{share.count} of {share.of} = {share.count / share.of:.0%} ({share.low:.0%} to {share.high:.0%})"
