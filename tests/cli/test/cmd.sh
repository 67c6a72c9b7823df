aecompress tiny.png
aedecompress -t tiny.aec
aecompress -t -v tiny.aec
