aecompress tiny.png other.png
