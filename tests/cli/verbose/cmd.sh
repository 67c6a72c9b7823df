aecompress -v graphics.png
aedecompress -v graphics.aec back.png
aedecompress -t -vv graphics.aec
