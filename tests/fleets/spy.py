"""`python -m tests.fleets.spy SCHEDULER DASHBOARD FOLDER PAGES`: write down what a scheduler tells anyone.

Its state and that of its workers, logs, events and call stacks, and the pages of its dashboard that links lead to: at
most that many, as there are hundreds where Bokeh is installed.
"""

import json
import re
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

from distributed import Client

FIRST_PAGES = ("/", "/sitemap.json", "/status", "/workers", "/info/main/workers.html", "/json/counts.json", "/metrics")


def main(scheduler: str, dashboard: str, folder: Path, most: int) -> None:
    """Write one file for each of them."""
    with Client(scheduler) as client:
        client.dump_cluster_state(str(folder / "state"), format="yaml")
        state = {
            "scheduler": client.scheduler_info(n_workers=-1),
            "logs": [client.get_scheduler_logs(), client.get_worker_logs(), client.get_worker_logs(nanny=True)],
            "events": client.get_events(),
            "tasks": client.story(*client.who_has()),
            "call stacks": client.call_stack(),
            "profile": client.profile(),
        }
        (folder / "facts").write_text(repr(state))
    pages = crawled(dashboard, most)
    for number, (path, content) in enumerate(pages.items()):
        (folder / f"page{number}").write_bytes(path.encode() + b"\n" + content)
    print(json.dumps({"pages": len(pages)}))


def crawled(dashboard: str, most: int) -> dict[str, bytes]:
    """Return what each page holds; what Bokeh draws on some is there where it is installed."""
    found: dict[str, bytes] = {}
    waiting = [urljoin(dashboard, path) for path in FIRST_PAGES]
    while waiting and len(found) < most:
        url = waiting.pop()
        if url in found or not url.startswith(dashboard):
            continue
        try:
            with urlopen(url, timeout=60) as answer:  # noqa: S310 - of this machine
                content = answer.read()
        except HTTPError as error:
            content = error.read()
        found[url] = content
        text = content.decode("utf-8", "replace")
        links = re.findall(r"(?:href|src)=[\"']([^\"'#]+)", text)
        if url.endswith("/sitemap.json") and text.startswith("{"):
            links += json.loads(text)["paths"]
        waiting += [urljoin(url, link) for link in links if "/statics/" not in link and "/static/" not in link]
    return found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
