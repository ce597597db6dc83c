"""Is a folder of pictures fit to train on?

inventory   what lies there
look        one file: header, decoding, digest, perceptual hash
looking     all files, on all cores
classes     numbers, names, splits
copies      the same picture twice
report      all of it
fixing      a clean copy
"""

from edgecnn.data.check.finding import KINDS, SEVERITIES, Finding
from edgecnn.data.check.report import DataCheck, check_folder

__all__ = ["KINDS", "SEVERITIES", "DataCheck", "Finding", "check_folder"]
