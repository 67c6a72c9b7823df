aecompress tiny.png
