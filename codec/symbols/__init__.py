"""Latent <-> symbols <-> payload."""
