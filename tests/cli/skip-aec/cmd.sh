aecompress tiny.png
aecompress tiny.aec again.aec
