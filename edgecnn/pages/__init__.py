"""What all pages that edgecnn writes have in common: their look, and that nobody's text becomes markup."""

from edgecnn.pages.document import house_style, make_environment, report_style, source_of

__all__ = ["house_style", "make_environment", "report_style", "source_of"]
