"""Definitions of refengine.estimation."""
