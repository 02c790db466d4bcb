"""A run as one page of HTML: it loads nothing, runs no script, and can be mailed."""

from loader.show.report.figures import Figures, figures
from loader.show.report.page import Frame, check_report, page, write_report

__all__ = ["Figures", "Frame", "check_report", "figures", "page", "write_report"]
