"""A run as one page of HTML: it loads nothing, runs no script, and can be mailed."""

from loader.record.report.figures import Figures, figures
from loader.record.report.page import Frame, page
from loader.record.report.write import check_report, write_report

__all__ = ["Figures", "Frame", "check_report", "figures", "page", "write_report"]
