"""A run as one page of HTML: it loads nothing, runs no script, and can be mailed."""

from loader.show.report.page import check_report, page, write_report

__all__ = ["check_report", "page", "write_report"]
