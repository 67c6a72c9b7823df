"""What a model knows of a picture besides how to draw it.

    features.py   descriptions of pictures and files: `codec.features`
    latents.py    latents to change and to show: `codec.latents`, `codec.render`
    anomaly.py    how unusual a picture is: `codec.anomaly_score`

No synthesis runs for the first; both are described in docs/features.md.
"""
