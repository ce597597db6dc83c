"""Repairing an int8 file: its structure stays as the converter wrote it, and its numbers change."""
