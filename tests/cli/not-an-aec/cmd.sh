aedecompress tiny.png out.png
aedecompress tiny.png
