aecompress empty.png new.aec
aedecompress empty.aec new.png
aedecompress -t < empty.aec
aecompress -l empty.aec
