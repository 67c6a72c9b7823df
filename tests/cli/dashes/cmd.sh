aecompress -- -tiny.png
aedecompress -f -- -tiny.aec
