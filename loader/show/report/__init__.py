"""A run, or a plan, as one page of HTML: it loads nothing, runs no script, and can be mailed."""

from loader.show.report.page import check_report, page, write_report
from loader.show.report.plan_page import plan_page

__all__ = ["check_report", "page", "plan_page", "write_report"]
