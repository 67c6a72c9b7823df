aecompress --quiet tiny.png other.aec
aedecompress other.aec tiny.png
