#!/usr/bin/env python3
"""For --on-end: posts a few lines about a run to a Slack channel.

SLACK_WEBHOOK_URL is the address of an incoming webhook. Whoever knows it can post, so it stays in the environment.
"""

import html
import json
import os
import sys
import urllib.request

summary = json.load(sys.stdin)
counts = next(summary[key] for key in ("rows", "records", "pairs") if isinstance(summary.get(key), dict))
lines = [
    summary["command"],
    f"exit code {os.environ['ASSOCIATION_LOADER_EXIT_CODE']}: "
    + ", ".join(f"{count:,} {name}" for name, count in counts.items() if count),
]
if summary["next_command"]:
    lines.append(f"Next: {summary['next_command']}")

# Slack reads <...> as a link or a mention: a file's name must not be one.
text = html.escape("\n".join(lines), quote=False)
request = urllib.request.Request(
    os.environ["SLACK_WEBHOOK_URL"],
    json.dumps({"text": text}).encode(),
    {"Content-Type": "application/json"},
)
urllib.request.urlopen(request, timeout=20).close()
