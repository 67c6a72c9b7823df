aecompress --rm tiny.png
aedecompress --rm tiny.aec
