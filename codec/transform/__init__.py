"""Pixels <-> latent: tiles, analysis, synthesis, means."""
