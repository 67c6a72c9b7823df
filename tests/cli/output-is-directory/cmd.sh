aecompress -f tiny.png folder
