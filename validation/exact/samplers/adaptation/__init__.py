"""Exact definitions."""
