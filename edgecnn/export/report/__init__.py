"""The page that shows where the quantization error of an exported file is."""

from edgecnn.export.report.material import ReportMaterial
from edgecnn.export.report.writing import check_report_path, report_to_json, write_report

__all__ = ["ReportMaterial", "check_report_path", "report_to_json", "write_report"]
