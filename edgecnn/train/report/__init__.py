"""The page that says how good a training is, and what to do next.

material           what it is made of: scores, features, records
gathering          the same of a run on disk
discriminant       a linear head that is refitted in milliseconds
learning_curve     what more pictures would bring
label_errors       pictures that may lie in the wrong class
contents           everything that the page says, as data
assembling         from material to contents
writing            the page and the JSON
"""

from edgecnn.train.report.contents import Report
from edgecnn.train.report.material import Judged, Known, ReportMaterial
from edgecnn.train.report.writing import REPORT_JSON, REPORT_PAGE, report_to_json, write_report

__all__ = [
    "REPORT_JSON",
    "REPORT_PAGE",
    "Judged",
    "Known",
    "Report",
    "ReportMaterial",
    "report_to_json",
    "write_report",
]
