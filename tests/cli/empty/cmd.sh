aecompress empty.png
aedecompress empty.aec
aedecompress -t < empty.aec
aecompress -l empty.aec
