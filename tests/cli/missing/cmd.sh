aecompress no.png
aedecompress no.aec
