"""A run as one page of HTML: it loads nothing, runs no script, and can be mailed."""

from loader.show.report.figures import Figures, figures
from loader.show.report.page import Frame, page
from loader.show.report.write import check_report, write_report

__all__ = ["Figures", "Frame", "check_report", "figures", "page", "write_report"]
