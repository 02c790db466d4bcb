#!/usr/bin/env python3
"""For --on-end: mails the summary of a run that did not end well (any exit code but 0).

MAIL_FROM and MAIL_TO are addresses. SMTP_HOST and SMTP_PORT are the mail server, by default the one of this machine.
"""

import json
import os
import smtplib
import sys
from email.message import EmailMessage

code = os.environ["ASSOCIATION_LOADER_EXIT_CODE"]
if code == "0":
    sys.exit()

summary = json.load(sys.stdin)
message = EmailMessage()
message["From"] = os.environ["MAIL_FROM"]
message["To"] = os.environ["MAIL_TO"]
message["Subject"] = f"association-loader ended with exit code {code}"
message.set_content(json.dumps(summary, indent=2, ensure_ascii=False))

host, port = os.environ.get("SMTP_HOST", "localhost"), int(os.environ.get("SMTP_PORT", "25"))
with smtplib.SMTP(host, port, timeout=20) as server:
    server.send_message(message)
