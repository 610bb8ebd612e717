"""Remembering: indexes that are kept up to date, and turns that are found again."""
