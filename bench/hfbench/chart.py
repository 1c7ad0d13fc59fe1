"""The figures as bars, in SVG that follows the reader's light or dark."""
from xml.sax.saxutils import escape

from .figures import Figures
from .report import seconds

PANELS = (
    ("8 × 1 GB over TLS: CPU seconds per GB", "S2", "pinned", "cpu",
     ("hf-init", "aria2c", "curl -Z", "huggingface_hub", "@huggingface/hub", "aria2c + sha256sum", "huggingface_hub + sha256sum",
      "hf-init stock")),
    ("8 × 1 GB over TLS: time", "S2", "free", "wall", ("hf-init", "aria2c", "curl -Z", "huggingface_hub", "@huggingface/hub")),
    ("1 × 4 GB, 20 MB/s per connection: time", "S4", "one file", "wall", ("hf-init", "aria2c", "huggingface_hub", "curl -Z")),
    ("8 × 1 GB, 50 ms, 1 % loss: time", "S5", "50 ms, 1 %", "wall", ("hf-init", "aria2c", "aria2c -j1", "huggingface_hub", "curl -Z")),
    ("5,000 × 20 KB, 50 ms: time", "S3", "50 ms", "wall", ("hf-init", "aria2c", "curl -Z", "huggingface_hub", "@huggingface/hub")),
    ("Memory, 8 × 1 GB (peak RSS)", "S2", "free", "rss", ("hf-init", "aria2c", "curl -Z", "huggingface_hub", "@huggingface/hub")),
)
WIDTH, LABEL, ROW, BAR, GAP = 860, 220, 24, 15, 34
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .value { font-size: 12px; } .bar { fill: #9aa4b2; } .ours { fill: #d97706; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .bar { fill: #5b6675; } .ours { fill: #f59e0b; } }
"""


def label_of(value, measure):
    return {"cpu": f"{value:.2f} s/GB", "rss": f"{value / 1e6:.0f} MB"}.get(measure) or seconds(value)


def panel(figures, top, title, scenario, case, measure, peers):
    """(lines of SVG, y where it ends); bars start at zero."""
    values = [(p, figures.of(scenario, case, p, measure)) for p in peers]
    values = [(p, v) for p, v in values if v is not None]
    if not values:
        return [], top
    largest = max(v for _, v in values)
    lines = [f'<text class="title" x="0" y="{top + 13}">{escape(title)}</text>']
    y = top + 24
    for peer, value in values:
        width = max(1.0, value / largest * (WIDTH - LABEL - 100))
        kind = "bar ours" if peer == "hf-init" else "bar"
        about = "~ " if measure != "rss" and figures.was_stopped(scenario, case, peer) else ""
        lines += [f'<text x="{LABEL - 8}" y="{y + 12}" text-anchor="end">{escape(peer)}</text>',
                  f'<rect class="{kind}" x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>',
                  f'<text class="value" x="{LABEL + width + 6:.1f}" y="{y + 12}">{about}{label_of(value, measure)}</text>']
        y += ROW
    return lines, y + GAP - (ROW - BAR)


def svg(document):
    figures, body, y = Figures(document), [], 4
    for one in PANELS:
        lines, y = panel(figures, y, *one)
        body += lines
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">',
                      "<title>hf-init beside its peers; shorter is better</title>", f"<style>{STYLE}</style>", *body, "</svg>", ""])
