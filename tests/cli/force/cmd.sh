aecompress -f tiny.png
