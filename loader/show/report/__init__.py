"""A run, a plan or a fleet as one page of HTML: it loads nothing, runs no script, and can be mailed."""

from loader.show.report.fleet_page import fleet_page
from loader.show.report.page import check_report, page, write_report
from loader.show.report.plan_page import plan_page

__all__ = ["check_report", "fleet_page", "page", "plan_page", "write_report"]
