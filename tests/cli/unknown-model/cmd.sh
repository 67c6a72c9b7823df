aecompress -m nosuch tiny.png
