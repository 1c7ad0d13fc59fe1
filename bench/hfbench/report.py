"""Results as text: the table of targets for a terminal, and docs/benchmarks.md."""
from .figures import Figures, targets

TITLES = {
    "S1": "1 × 4 GB", "S2": "8 × 1 GB", "S3": "5,000 × 20 KB", "S4": "20 MB/s per connection", "S5": "8 × 1 GB, 50 ms, 1 % loss",
    "S6": "A complete volume", "S7": "8 GB verified again", "S8": "Killed at 60 %, run again",
    "S9": "8 × 256 MB, an edge that collapses", "S11": "1 × 4 GB in a cgroup of 64 MiB, on disk",
}
NOTES = {
    "S1": "*pinned*: the server on CPU 0, the peer on CPU 1, for what a gigabyte costs. *free*: both on all cores, for the time.",
    "S2": "As S1. *64 conns* is hf-init told to use that many.",
    "S4": "Three cases: the 4 GB file without distance; the same at 200 ms; the 8 × 1 GB at 200 ms. Untuned TCP buffers hold about "
          "15 MB/s at 200 ms.",
    "S5": "*aria2c -j1* is 16 connections in all, *aria2c* 16 for each of eight files.",
    "S7": "hf-init has lost its inventory and hashes every file; nothing is fetched but the listing.",
    "S8": "SIGKILL when 60 % of the bytes have passed; figures of the second run. *twice* is what both fetched beyond the size.",
    "S9": "The CDN's name has three addresses. Up to 16 connections to an address get 20 MB/s each, beyond that all get 1 MB/s.",
    "S11": "The page cache counts. *drop* is `pageCache: drop`.",
}


def seconds(value):
    if value is None:
        return "–"
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value:.2f} s" if value < 100 else f"{value:.0f} s"


def amount(value):
    if value is None:
        return "–"
    return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"


def shown(value, measure):
    if value is None:
        return "–"
    if measure == "cpu":
        return f"{value:.2f} s/GB"
    return {"wall": seconds, "rss": amount}.get(measure, lambda v: f"{v:.0f}")(value)


def fraction(value):
    if value is None:
        return "–"
    return f"{value:.2f}" if value >= 0.2 else f"1/{1 / value:.1f}"


def limit(value):
    return f"≤ 1/{round(1 / value)}" if value <= 0.25 and abs(1 / value - round(1 / value)) < 1e-9 else f"≤ {value:g}"


def target_rows(figures):
    for row in targets(figures):
        if row["kind"] == "ratio":
            value, goal = fraction(row["value"]), limit(row["target"])
        else:
            value, goal = shown(row["value"], row["measure"]), "≤ " + shown(row["target"], row["measure"])
        verdict = {True: "yes", False: "**no**", None: "not measured"}[row["met"]]
        yield (row["what"], row["against"] or "–", shown(row["ours"], row["measure"]), shown(row["theirs"], row["measure"]),
               value, goal, verdict)


def table(head, rows, align=None):
    yield "| " + " | ".join(head) + " |"
    yield "|" + "|".join(align or ["---"] * len(head)) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def for_terminal(document):
    head = ("what", "against", "ours", "theirs", "value", "target", "met")
    rows = [head] + [tuple(c.replace("*", "") for c in row) for row in target_rows(Figures(document))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def scenario_tables(figures):
    for scenario in TITLES:
        if scenario not in {s for s, _ in figures.cases()}:
            continue
        yield f"### {scenario}: {TITLES[scenario]}"
        yield ""
        if scenario in NOTES:
            yield NOTES[scenario]
            yield ""
        rows = []
        for case in (c for s, c in figures.cases() if s == scenario):
            for peer in figures.peers(scenario, case):
                key = (scenario, case, peer)
                good, all_runs = figures.good(*key), figures.runs[key]
                name = f"**{peer}**" if peer.startswith("hf-init") else peer
                if not good:
                    rows.append([case, name, "OOM-killed" if all_runs[0].get("oom_kills") else "failed"] + ["–"] * 7)
                    continue
                about = "~ " if figures.was_stopped(*key) else ""
                last = amount(figures.of(*key, "twice")) if scenario == "S8" else amount(figures.of(*key, "peak", max)) \
                    if scenario == "S11" else "yes" if good[0]["verified"] else "no"
                failed = f" ({len(all_runs) - len(good)} of {len(all_runs)} failed)" if len(good) < len(all_runs) else ""
                rows.append([case, name + failed, about + seconds(figures.of(*key, "wall")),
                             about + seconds(figures.of(*key, "wall", min)), about + f"{figures.of(*key, 'cpu'):.2f}",
                             amount(figures.of(*key, "rss", max)), f"{figures.of(*key, 'requests'):.0f}",
                             f"{figures.of(*key, 'connections'):.0f}", f"{figures.of(*key, 'server'):.1f} s", last])
        last = {"S8": "twice", "S11": "cgroup peak"}.get(scenario, "verified")
        yield from table(["case", "peer", "median", "min", "CPU s/GB", "RSS", "requests", "connections", "server CPU", last], rows,
                         ["---", "---"] + ["---:"] * 8)
        yield ""


def markdown(document):
    figures = Figures(document)
    scaled = "" if document["size"] == 1 else f" Sizes are scaled by {document['size']:g}: a quick look, not the real thing."
    yield "# Benchmarks"
    yield ""
    yield (f"Written by `make bench` on {document['date']}; medians of {document['runs']} runs unless a table says otherwise.{scaled} "
           "How it is measured: [bench/README.md](../bench/README.md).")
    yield ""
    yield "![the figures as bars](benchmarks.svg)"
    yield ""
    yield "## What was aimed at"
    yield ""
    yield ("hf-init compares the sha256 of every byte with the Hub's, and syncs to disk; curl, aria2c, huggingface_hub and the "
           "JavaScript client do neither.")
    yield ""
    yield from table(["what", "against", "ours", "theirs", "ratio or value", "target", "met"], target_rows(figures),
                     ["---", "---", "---:", "---:", "---:", "---:", "---"])
    yield ""
    yield "## The machine"
    yield ""
    yield from table(["", ""], [[k, v] for k, v in document["machine"].items()])
    yield ""
    yield "What it can do at best, each alone:"
    yield ""
    yield from table(["limit", "", "GB/s", "CPU s/GB"],
                     [[one["limit"], one["what"], f"{one['gb_per_s']:.2f}", f"{one['cpu_s_per_gb']:.3f}"]
                      for one in document.get("limits", [])], ["---", "---", "---:", "---:"])
    yield ""
    yield "## Everything"
    yield ""
    limits = sorted({(r["limit_s"], r["scenario"]) for r in document["results"] if r["killed"]})
    stopped = ", ".join(f"{scenario} {limit_s} s" for limit_s, scenario in limits) or "none was"
    yield (f"`~` marks a peer that was stopped after a while ({stopped}): its time is that of the whole at the rate it "
           "had. CPU is user and system time of the peer alone. RSS and peaks are the largest of all runs.")
    yield ""
    yield from scenario_tables(figures)
