aedecompress tiny.png out.png
