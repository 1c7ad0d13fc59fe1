"""The benchmark of hf-init: see bench/README.md."""
import json
import os
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BENCH = TOP / "bench"
WORK = Path(os.environ.get("BENCH_DIR") or TOP / "build" / "bench")  # everything the benchmark makes
MB = 1_000_000
GB = 1_000_000_000

HUB_NAME = "hub.bench.test"
CDN_NAME = "cdn.bench.test"
ENDPOINT = "https://" + HUB_NAME
CDN = "https://" + CDN_NAME
HUB_ADDRESS = "127.0.0.1"
CDN_ADDRESS = "127.0.0.2"


def write_json(path, value):
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.replace(path)
