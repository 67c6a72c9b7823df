aecompress -f tiny.png -o ./tiny.png
