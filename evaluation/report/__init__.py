"""The results page in Markdown and its plots."""
